"""The agent's code in its slots: wheels are unpacked into the idle one, and one rename makes it the active one."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Collection
from pathlib import Path

SLOTS = ("a", "b")
MAX_BYTES = 2 << 30
DESCRIPTION = "agent.json"
MAX_LIST_BYTES = 8 << 20
_TRIAL = "import edge_agent.cli, edge_agent.commands.run, edge_agent.supervisor, edge_agent.worker"
_JUDGING = "import edge_agent.cli, edge_agent.commands.verify"


class RefusedError(Exception):
    """(where, expected, found, next step), as one line of Godwit's tells it."""


def listed(wheels: Path) -> bytes:
    """`agent.json` beside the wheels, read once: what is judged is what is unpacked, on a stick that lies, too.

    Raises:
        RefusedError: it is too large for one.
    """
    with (wheels / DESCRIPTION).open("rb") as stream:
        raw = stream.read(MAX_LIST_BYTES + 1)
    if len(raw) > MAX_LIST_BYTES:
        raise RefusedError(DESCRIPTION, f"at most {MAX_LIST_BYTES} bytes", "more", "flash again")
    return raw


def judge(root: Path) -> Path | None:
    """The code that is there, and judges what comes; None on a bare device, and where it is too damaged to.

    Nothing that comes has a part in that answer.
    """
    for name in dict.fromkeys(filter(None, (named(root, "proven"), named(root, "active")))):
        code = root / "agent" / name
        if not _fault(_JUDGING, reading(code)):
            return code
    return None


def prepare(root: Path, wheels: Path, raw: bytes) -> Path:
    """Unpack the folder `wheels` into the idle slot and see that it starts. Nothing is active yet.

    Args:
        raw: their `agent.json`.

    Raises:
        RefusedError: it is damaged, or not for this device.
    """
    wanted = _hashes(raw)
    home = root / "agent"
    home.mkdir(exist_ok=True)
    kept = named(root, "proven") or named(root, "active")
    slot = home / next(name for name in SLOTS if name != kept)
    making = home / f".{slot.name}.tmp"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    try:
        for wheel in sorted(wheels.glob("*.whl")):
            unpack(wheel, making, wanted)
        compare(making, wanted)
        (making / DESCRIPTION).write_bytes(raw)
        os.sync()
        shutil.rmtree(slot, ignore_errors=True)
        os.replace(making, slot)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    try:
        check(slot)
    except RefusedError:
        shutil.rmtree(slot)
        raise
    return slot


def _hashes(raw: bytes) -> dict[str, str]:
    try:
        return {str(name): str(entry["sha256"]) for name, entry in json.loads(raw)["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RefusedError(DESCRIPTION, "the list of the agent's files", "something else", "flash again") from None


def compare(folder: Path, wanted: dict[str, str]) -> None:
    """It must hold just the files that `agent.json` names, with their hashes."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if odd := sorted(dict(wanted.items() ^ found.items())):
        raise RefusedError("the agent", "the files that agent.json names", f"a difference in {odd[0]}", "flash again")


def named(root: Path, link: str) -> str:
    """The slot that `active` or `proven` names; empty if there is none."""
    path = root / "agent" / link
    return str(path.readlink()) if path.is_symlink() else ""


def activate(slot: Path) -> None:
    """It is started from now on. Until it is `prove`d the launcher counts its starts, and goes back after three."""
    _point(slot.parent / "active", slot.name)


def prove(slot: Path) -> None:
    """It is the one to go back to, and the launcher is that which it brings."""
    launcher = slot / "edge_agent" / "launcher.py"
    if launcher.exists():
        _replace(slot.parent / "launcher.py", lambda making: making.write_bytes(launcher.read_bytes()))
    _point(slot.parent / "proven", slot.name)


def give_back(slot: Path) -> None:
    """The code before it is started from now on."""
    _point(slot.parent / "active", (slot.parent / "proven").readlink().name)


def _point(link: Path, name: str) -> None:
    _replace(link, lambda making: making.symlink_to(name))
    os.sync()


def _replace(path: Path, make: Callable[[Path], object]) -> None:
    making = path.with_name(f".{path.name}.tmp")
    making.unlink(missing_ok=True)
    make(making)
    os.replace(making, path)


def unpack(wheel: Path, folder: Path, wanted: Collection[str]) -> None:
    """What is wanted of it, as an installer would (PyPA, Binary distribution format: "Spread")."""
    with zipfile.ZipFile(wheel) as archive:
        if sum(info.file_size for info in archive.infolist()) > MAX_BYTES:
            raise RefusedError(wheel.name, "a wheel of at most 2 GiB", "a larger one", "gather the kit again")
        for info in archive.infolist():
            parts = info.filename.split("/")
            if parts[0].endswith(".data"):
                parts = parts[2:] if parts[1] in ("purelib", "platlib") else []
            if "/".join(parts) not in wanted:
                continue
            if {"", ".", ".."} & set(parts):
                raise RefusedError(wheel.name, "paths inside it", info.filename, "gather the kit again")
            target = folder.joinpath(*parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("wb") as stream:
                shutil.copyfileobj(source, stream)


def environment(code: Path) -> dict[str, str]:
    """Of a process that runs the agent whose code lies there, and nothing else's; what it imports, it compiles.

    So the trial and the installation leave just the .pyc files that the agent wants: all of them take a small device
    minutes.
    """
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    return {**kept, "PYTHONPATH": str(code), "PYTHONNOUSERSITE": "1"}


def reading(code: Path) -> dict[str, str]:
    """As `environment`, of a process that writes nothing there."""
    return {**environment(code), "PYTHONDONTWRITEBYTECODE": "1"}


def check(code: Path) -> None:
    """It must start, with this very Python on this very machine."""
    if found := _fault(_TRIAL, environment(code)):
        raise RefusedError("the agent", "code that starts on this device", found, "is the kit for this device?")


def _fault(script: str, variables: dict[str, str]) -> str:
    """How that script fails there; empty if it does not."""
    line = [sys.executable, "-S", "-c", script]
    ran = subprocess.run(line, env=variables, cwd="/", capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["no word"])[-1]
