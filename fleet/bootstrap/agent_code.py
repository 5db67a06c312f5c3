"""The agent's code in its slots: wheels are unpacked into the idle one, and one rename makes it the active one."""

from __future__ import annotations

import compileall
import contextlib
import os
import shutil
import subprocess
import sys
import zipfile

SLOTS = ("a", "b")
MAX_BYTES = 2 << 30
_STAMP = "agent.sha256"


class RefusedError(Exception):
    """(where, expected, found, next step), as one line of Godwit's tells it."""


def prepare(root: str, wheels: list[str], stamp: str) -> str:
    """Unpack `wheels` into the idle slot and see that it starts; the slot's name. Nothing is active yet."""
    home = os.path.join(root, "agent")
    os.makedirs(home, exist_ok=True)
    slot = next(name for name in SLOTS if name != active(root))
    making = os.path.join(home, f".{slot}.tmp")
    for left in (making, os.path.join(home, slot)):
        shutil.rmtree(left, ignore_errors=True)
    os.mkdir(making)
    try:
        for wheel in wheels:
            unpack(wheel, making)
        compileall.compile_dir(making, quiet=2, workers=0)
        check(making)
        with open(os.path.join(making, _STAMP), "w", encoding="ascii") as stream:
            stream.write(stamp)
        os.sync()
        os.replace(making, os.path.join(home, slot))
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return slot


def active(root: str) -> str:
    """The active slot's name; empty if there is none."""
    try:
        return os.readlink(os.path.join(root, "agent", "active"))
    except OSError:
        return ""


def activate(root: str, slot: str) -> None:
    """By one rename."""
    home = os.path.join(root, "agent")
    making = os.path.join(home, ".active.tmp")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(making)
    os.symlink(slot, making)
    os.replace(making, os.path.join(home, "active"))
    os.sync()


def unpack(wheel: str, folder: str) -> None:
    """As an installer would, without scripts (PyPA, Binary distribution format: "Spread")."""
    with zipfile.ZipFile(wheel) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
            raise RefusedError(wheel, "a wheel of at most 2 GiB", "a larger one", "gather the kit again")
        for info in archive.infolist():
            if place := _place(info.filename):
                target = os.path.join(folder, place)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with archive.open(info) as source, open(target, "wb") as stream:
                    shutil.copyfileobj(source, stream)


def _place(name: str) -> str:
    """Where a member goes; empty where it is not for a library folder."""
    parts = name.split("/")
    if name.endswith("/"):
        return ""
    if parts[0].endswith(".data"):
        parts = parts[2:] if parts[1] in ("purelib", "platlib") else []
    if {"", ".", ".."} & set(parts) or "\\" in name:
        raise RefusedError(name, "a path inside the wheel", "one outside", "gather the kit again")
    return "/".join(parts)


def environment(folder: str) -> dict[str, str]:
    """Of a process that runs the agent whose code lies there, and nothing else's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": folder, "PYTHONNOUSERSITE": "1"}


def check(folder: str) -> None:
    """It must start, with this very Python on this very machine."""
    line = [sys.executable, "-S", "-m", "edge_agent", "machine", "--json"]
    ran = subprocess.run(line, env=environment(folder), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        found = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise RefusedError("the agent", "code that starts on this device", found, "is the kit for this device?")
