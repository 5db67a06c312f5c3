"""The agent's code in its slots: wheels are unpacked into the idle one, and one rename makes it the active one."""

from __future__ import annotations

import compileall
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

SLOTS = ("a", "b")
MAX_BYTES = 2 << 30
STAMP = "agent.sha256"


class RefusedError(Exception):
    """(where, expected, found, next step), as one line of Godwit's tells it."""


def prepare(root: Path, wheels: list[Path], stamp: str) -> Path:
    """Unpack `wheels` into the idle slot and see that it starts. Nothing is active yet."""
    home = root / "agent"
    home.mkdir(exist_ok=True)
    slot = home / next(name for name in SLOTS if name != active(root))
    making = home / f".{slot.name}.tmp"
    for left in (making, slot):
        shutil.rmtree(left, ignore_errors=True)
    making.mkdir()
    try:
        for wheel in wheels:
            unpack(wheel, making)
        compileall.compile_dir(making, quiet=2, workers=0)
        check(making)
        (making / STAMP).write_text(stamp)
        os.sync()
        os.replace(making, slot)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return slot


def active(root: Path) -> str:
    """The active slot's name; empty if there is none."""
    link = root / "agent" / "active"
    return str(link.readlink()) if link.is_symlink() else ""


def activate(slot: Path) -> None:
    """By one rename."""
    making = slot.parent / ".active.tmp"
    making.unlink(missing_ok=True)
    making.symlink_to(slot.name)
    os.replace(making, slot.parent / "active")
    os.sync()


def unpack(wheel: Path, folder: Path) -> None:
    """As an installer would, without scripts (PyPA, Binary distribution format: "Spread")."""
    with zipfile.ZipFile(wheel) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
            raise RefusedError(wheel.name, "a wheel of at most 2 GiB", "a larger one", "gather the kit again")
        for info in archive.infolist():
            if place := _place(info.filename):
                target = folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as source, target.open("wb") as stream:
                    shutil.copyfileobj(source, stream)


def _place(name: str) -> str:
    """Where a member goes; empty where it is not for a library folder."""
    parts = name.split("/")
    if name.endswith("/"):
        return ""
    if {"", ".", ".."} & set(parts) or "\\" in name:
        raise RefusedError(name, "a path inside the wheel", "one outside", "gather the kit again")
    if parts[0].endswith(".data"):
        parts = parts[2:] if parts[1] in ("purelib", "platlib") else []
    return "/".join(parts)


def environment(code: Path) -> dict[str, str]:
    """Of a process that runs the agent whose code lies there, and nothing else's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(code), "PYTHONNOUSERSITE": "1"}


def check(code: Path) -> None:
    """It must start, with this very Python on this very machine."""
    line = [sys.executable, "-S", "-m", "edge_agent", "machine", "--json"]
    ran = subprocess.run(line, env=environment(code), capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        found = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise RefusedError("the agent", "code that starts on this device", found, "is the kit for this device?")
