"""New code of an agent that runs already: it is on trial until it lives, and else the code before it is back.

Meanwhile the launcher treats it as it treats an update's: it counts the starts, and after three takes the other slot.
The very first code has nothing to go back to, and code that nobody runs shows nothing: both were tried by loading them.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fleet.bootstrap import agent_code
from fleet.bootstrap.agent_code import RefusedError

LIMIT_S = 180.0
_FRESH_S = 15.0
_LOOK_S = 0.2


@contextmanager
def watched(root: Path, slot: Path, *, runs: bool, first: bool) -> Iterator[None]:
    """The block makes `slot` the active one; at its end it is proven, or given back.

    Args:
        runs: a service runs the agent from then on; else only one that is running now is watched.

    Raises:
        RefusedError: it does not live.
    """
    runs = runs or told(root).get("agent_slot", "") != ""
    with _updater_waits(root):
        try:
            yield
        except BaseException:
            if not first:
                agent_code.give_back(slot)
            raise
        if first:
            return
        if runs and (fault := fault_of(root, slot)):
            agent_code.give_back(slot)
            step = "the one before is back; see there: journalctl -u edge-agent"
            raise RefusedError("the agent", "new code that runs on this device", fault, step)
        agent_code.prove(slot)


def fault_of(root: Path, slot: Path) -> str:
    """Wait until the agent that runs is this code, and runs the deployment; else why it is no good."""
    began_s, until_s = time.time(), time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        counted, health = parsed(root / "var" / "starts.json"), told(root, began_s)
        if counted.get("passed_over") == slot.name and str(counted.get("code")).split(" ")[1:2] == [inode(slot)]:
            return str(counted.get("reason"))[:200]
        if health.get("agent_slot") == slot.name and health.get("state") == "running":
            return ""
        time.sleep(_LOOK_S)
    if health.get("agent_slot") != slot.name:
        return f"no word of it within {LIMIT_S:.0f} s"
    # What starts for so long builds an engine for this device.
    return "" if health.get("state") == "starting" else str(health.get("reason"))[:200]


def told(root: Path, since_s: float = 0) -> dict[str, Any]:
    """What the running agent says of itself; nothing where none runs, or none said it since then."""
    path = root / "run" / "health.json"
    try:
        written_s = path.lstat().st_mtime
    except OSError:
        return {}
    return parsed(path) if written_s > max(since_s, time.time() - _FRESH_S) else {}


def inode(slot: Path) -> str:
    """By which the launcher tells code from what lay there before."""
    return str(slot.stat().st_ino)


def parsed(path: Path) -> dict[str, Any]:
    """A JSON object that another user wrote: no link, no pipe, no more than 64 KiB is read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return {}
    with os.fdopen(handle, "rb") as stream:
        try:
            found = json.loads(stream.read(1 << 16))
        except (OSError, ValueError, RecursionError):
            return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _updater_waits(root: Path) -> Iterator[None]:
    """Hold its lock if it is free: at rest it would give back what is not proven. One that watches holds it itself."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stream: IO[bytes] = stack.enter_context((root / "update" / "lock").open("rb+"))
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stream.truncate()
            stream.write(f"godwit flash, process {os.getpid()}\n".encode())
            stream.flush()
        yield
