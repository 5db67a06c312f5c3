"""The agent's own code in its slots: staged, made active by one rename, proven, given back.

```
ROOT/agent/a, b      what a `.godwit-agent` file holds, with compiled .pyc files beside the sources
ROOT/agent/active    symbolic link to one of them, which the launcher starts
ROOT/agent/proven    symbolic link to the one that has proved itself; it is never overwritten
```

Only the updater writes here. Every file is flushed before one rename makes a folder a slot.
"""

from __future__ import annotations

import compileall
import os
import platform
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from edge_agent.layout import SLOTS, Root
from firmware_profiles import agent_code, atomic
from firmware_profiles.agent_code import AgentCode
from firmware_profiles.errors import BundleError, Problem, RefusedError
from firmware_profiles.profile import userland_arch

_TIMEOUT_S = 120.0
_TRIAL = "import edge_agent.cli, edge_agent.commands.run, edge_agent.supervisor, edge_agent.worker"


class _Starts(msgspec.Struct, frozen=True):
    """What the launcher counts."""

    code: str
    passed_over: str = ""
    reason: str = ""


def proven(root: Root) -> str:
    """Name of the slot that has proved itself; empty before the first."""
    link = root.agent_code / "proven"
    name = str(link.readlink()) if link.is_symlink() else ""
    return name if name in SLOTS else ""


def idle(root: Root) -> Path:
    """The slot that may be overwritten: never the proven one, and without one never the active one."""
    kept = proven(root) or root.active_agent_slot()
    return root.agent_code / next(slot for slot in SLOTS if slot != kept)


def stage(file: Path, root: Root) -> AgentCode:
    """Unpack and compile `file` in the idle slot; what is active stays as it is.

    Raises:
        BundleError: it is damaged, or for another Python, architecture or C library than here.
        OSError: the disk is full, or does not let us.
    """
    slot = idle(root)
    root.agent_code.mkdir(exist_ok=True)
    making, leaving = (root.agent_code / f".{slot.name}.{what}" for what in ("tmp", "old"))
    for left in (making, leaving):
        shutil.rmtree(left, ignore_errors=True)
    making.mkdir()
    try:
        with file.open("rb") as stream:
            of = agent_code.unpack(stream, str(file), lambda name, chunks: _write(making / name, chunks))
        _check_fits(of, file)
        _compile(making, slot)
        _sync_folders(making)
        if slot.exists():
            os.replace(slot, leaving)
        os.replace(making, slot)
        atomic.sync_folder(root.agent_code)
    finally:
        for left in (making, leaving):
            shutil.rmtree(left, ignore_errors=True)
    return of


def check(slot: Path) -> None:
    """See whether the code in a slot can be loaded here, in a process of its own.

    Raises:
        RefusedError: it cannot.
    """
    command = [sys.executable, "-c", _TRIAL]
    try:
        done = subprocess.run(
            command, env=environment(slot), cwd="/", capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        found = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no word"])[-1]
    except subprocess.TimeoutExpired:
        found = f"no end within {_TIMEOUT_S:g} s"
    if found:
        raise RefusedError(Problem(str(slot), "code that this device can load", found, "build it for this device"))


def environment(slot: Path) -> dict[str, str]:
    """Of a process that runs the code in a slot, as the launcher makes it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(slot), "PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def activate(root: Root) -> str:
    """The idle slot is started from now on; its name. The running agent notices, and starts itself anew."""
    slot = idle(root)
    atomic.replace_link(root.agent_code / "active", slot.name)
    return slot.name


def mark_proven(root: Root) -> None:
    """The active slot has proved itself."""
    atomic.replace_link(root.agent_code / "proven", root.active_agent_slot())


def roll_back(root: Root) -> None:
    """The proven slot is active again."""
    if slot := proven(root):
        atomic.replace_link(root.agent_code / "active", slot)


def passed_over(root: Root) -> str:
    """Why the launcher starts another slot than the active one, which is not proven; empty where it does not.

    The agent's user writes that file: whatever it says, there is nothing to do but `roll_back`.
    """
    active = root.active_agent_slot()
    try:
        status = (root.agent_code / active).stat()
        with root.starts.open("rb") as stream:
            told = msgspec.json.decode(stream.read(1 << 16), type=_Starts)
    except (OSError, ValueError):
        return ""
    of_this_code = told.code == f"{active} {status.st_ino} {status.st_mtime_ns}"  # as the launcher has it
    return told.reason[:500] if told.passed_over == active != proven(root) and of_this_code else ""


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as stream:
        for chunk in chunks:
            stream.write(chunk)
        stream.flush()
        os.fsync(stream.fileno())


def _check_fits(of: AgentCode, file: Path) -> None:
    here = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    glibc = platform.libc_ver()[1]
    wanted = {"Python": (of.python, here), "architecture": (of.arch, userland_arch())}
    problems = [
        Problem(str(file), f"{what} {found}", f"{asked}", "build it for this device")
        for what, (asked, found) in wanted.items()
        if asked != found
    ]
    if of.glibc and glibc and _numbers(glibc) < _numbers(of.glibc):
        problems.append(Problem(str(file), f"glibc at most {glibc}", of.glibc, "build it for this device"))
    if problems:
        raise BundleError(*problems)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".") if part.isdigit()]


def _compile(folder: Path, slot: Path) -> None:
    """Beside the sources, as if they lay in `slot`; never compared with them, since the slot never changes."""
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compileall.compile_dir(
        folder, maxlevels=16, quiet=2, stripdir=str(folder), prependdir=str(slot), invalidation_mode=unchecked
    )
    for path in folder.rglob("*.pyc"):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_folders(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_dir():
            atomic.sync_folder(path)
    atomic.sync_folder(folder)
