"""Bring about `edge-agent install` on this device, and a service that runs what it installed.

Argument: the folder that was received, with `order.json`. What `edge-agent install --json` prints goes to stdout. If
anything fails, the device is as it was; if the new code of an agent that runs does not live, its old one is back.

The list of the new code's files must be signed in the kit. The code that is there sees to that before any of the new
one runs; on a bare device, which trusts the road, the new one does, so that what arrived is what was signed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleet.bootstrap import agent_code, probe, system, trial
from fleet.bootstrap.agent_code import RefusedError

_UNAVAILABLE = 4


def main(folder: Path) -> int:
    """Do what `order.json` says; the exit code of `edge-agent install`."""
    folder = folder.absolute()
    order: dict[str, Any] = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    root = Path(order["root"])
    fresh = not root.exists()
    try:
        code = _install(folder, root, order)
    except RefusedError as error:
        code = told(*error.args)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        code = told(error.filename or root, "a place to write to", found, "check its rights and its free space")
    if code != 0 and fresh:
        shutil.rmtree(root, ignore_errors=True)
    return code


def told(where: object, expected: str, found: str, step: str) -> int:
    """An error, on one line as Godwit's are; its exit code."""
    print(f"error: {where}: expected {expected}, found {found}; {step}", file=sys.stderr)
    return _UNAVAILABLE


def _install(folder: Path, root: Path, order: dict[str, Any]) -> int:
    root.mkdir(parents=True, exist_ok=True)
    brought, slot, code = folder / "agent", None, 0
    if brought.exists():
        listed = agent_code.listed(brought)
        judge = agent_code.judge(root)
        if judge and (code := _verify(folder, root, order, judge, listed)):
            return code
        slot = agent_code.prepare(root, brought, listed)
        code = 0 if judge else _verify(folder, root, order, slot, listed)
    code = code or _run(folder, root, order, slot)
    if code != 0:
        if slot:
            shutil.rmtree(slot, ignore_errors=True)
        return code
    _take_effect(root, slot, order)
    if order["service"] and probe.on_probation(probe.text(root / "update" / "journal.json")):
        ask(root)
    return 0


def ask(root: Path) -> None:
    """Have the updater watch from now on; where that cannot be, its timer comes.

    The folder is the agent's, whom root does not trust: what it may have laid there is not followed.
    """
    with contextlib.suppress(OSError):
        os.close(os.open(root / "run" / "request", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644))


def _take_effect(root: Path, slot: Path | None, order: dict[str, Any]) -> None:
    if slot is None:
        if order["service"]:
            system.set_up(root)
        return
    first = not agent_code.named(root, "proven")
    with trial.watched(root, slot, runs=order["service"], first=first):
        agent_code.activate(slot)
        if first:
            agent_code.prove(slot)
        if order["service"]:
            system.set_up(root)


def _verify(folder: Path, root: Path, order: dict[str, Any], judge: Path, listed: bytes) -> int:
    """By the code in the slot `judge`; the exit code of `edge-agent verify`, which tells what is wrong."""
    words = ["verify", *_kit(folder, order), "--root", str(root), "--agent", hashlib.sha256(listed).hexdigest()]
    return _agent(words, agent_code.reading(judge), subprocess.DEVNULL)


def _run(folder: Path, root: Path, order: dict[str, Any], slot: Path | None) -> int:
    # Newer code of the agent is what came along, not what the kit may have for updaters.
    words = ["install", *_kit(folder, order), "--deployment-only", *order["install"], "--root", str(root), "--json"]
    return _agent(words, agent_code.environment(slot or root / "agent" / "active"), None)


def _kit(folder: Path, order: dict[str, Any]) -> list[str]:
    return [str(folder / order["kit"]), "--trust-root", str(folder / order["trust_root"])]


def _agent(words: list[str], environment: dict[str, str], stdout: int | None) -> int:
    # Python looks for modules where it is started, before anywhere else: not in what arrived.
    line = [sys.executable, "-m", "edge_agent", *words]
    return subprocess.run(
        line, cwd="/", env=environment, stdin=subprocess.DEVNULL, stdout=stdout, check=False
    ).returncode
