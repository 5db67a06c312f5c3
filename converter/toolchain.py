"""Toolchains: pinned environments for converters whose packages fight with everybody else's.

Each is made once with uv, under the user's cache directory, from its list of pins in
`converter/toolchains/`; its folder is named after a hash of that list. It holds none of our own
code: that is lent to it by PYTHONPATH (`converter.bring`).
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from firmware_profiles.errors import InputError, Problem, UnavailableError, did_you_mean

PINS = Path(__file__).parent / "toolchains"
TFLITE = "tflite-runtime"
_PYTHON = "3.11"
_MAKING = ".making-"
_HASH_DIGITS = 12


class State(msgspec.Struct, frozen=True):
    """One toolchain on this machine.

    Attributes:
        purpose: what it is for, in one sentence.
        ready: whether it has been made from the pins of this version.
        size_bytes: of all its folders, also of older pins; files shared with uv's cache count in full.
    """

    name: str
    purpose: str
    ready: bool
    folder: str
    size_bytes: int


def names() -> list[str]:
    """Names of the toolchains, sorted."""
    return sorted(path.stem for path in PINS.glob("*.txt"))


def states() -> list[State]:
    """What there is."""
    return [
        State(name, _purpose(name), _python(name).exists(), str(_folder(name)), sum(map(_size, _folders(name))))
        for name in names()
    ]


def prepare(name: str, say: Callable[[str], None]) -> Path:
    """The toolchain's Python; the toolchain is made if it is not there yet, by one process at a time.

    Raises:
        InputError: no toolchain has that name.
        UnavailableError: it cannot be made here; nothing is left of the attempt.
    """
    _check(name)
    if _python(name).exists():
        return _python(name)
    uv = _uv(name)
    with _locked(name) as home:
        for left in home.glob(f"{_MAKING}*"):  # of a process that was killed: whoever holds the lock is alone
            shutil.rmtree(left)
        if not _python(name).exists():
            say(f"making the toolchain {name} (once)")
            _make(uv, name, home)
    return _python(name)


def remove(name: str) -> None:
    """Remove it, also what older pins have left. It is made again on its next use.

    Raises:
        InputError: no toolchain has that name.
    """
    _check(name)
    if _home().is_dir():
        with _locked(name):
            for folder in _folders(name):
                shutil.rmtree(folder)


def _make(uv: str, name: str, home: Path) -> None:
    """Beside its place, then renamed: it is there whole or not at all."""
    making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=home))
    environment = making / "environment"
    # Relocatable, since it is renamed.
    create = [uv, "venv", "--quiet", "--relocatable", "--python", _PYTHON, str(environment)]
    python = str(environment / "bin" / "python")
    install = [uv, "pip", "install", "--quiet", "--python", python, "--requirement", str(_pins(name))]
    try:
        _run(create, name)
        _run([*install, *_where_wheels_lie(name)], name)
        os.replace(environment, _folder(name))
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _where_wheels_lie(name: str) -> list[str]:
    """PyTorch keeps its CPU builds in an index of its own, which uv knows; a folder of wheels takes its place."""
    if folder := os.environ.get("PIP_FIND_LINKS"):
        return ["--find-links", folder]
    return ["--torch-backend", "cpu"] if "+cpu" in _pins(name).read_text(encoding="utf-8") else []


def _run(line: list[str], name: str) -> None:
    finished = subprocess.run(line, capture_output=True, text=True, check=False)
    if finished.returncode == 0:
        return
    told, step = finished.stderr, f"connect to the network, then: godwit toolchain prepare {name}"
    if "No space left" in told:
        step = "free some gigabytes, or set XDG_CACHE_HOME to a larger disk"
    raise UnavailableError(Problem(f"toolchain {name}", "an environment that uv can make", _gist(told), step))


def _gist(told: str) -> str:
    """What uv says went wrong: its first error or, better, the cause below it; not its warnings."""
    lines = [line.strip(" ×╰─▶") for line in told.splitlines()]
    marks = ("hint: ", "No space left", "Caused by: ", "error: ")
    telling = [line for mark in marks for line in lines if mark in line] or lines or ["no word"]
    return telling[0].removeprefix("error: ").removeprefix("Caused by: ").removeprefix("hint: ").rstrip(".")[:300]


def _uv(name: str) -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise UnavailableError(Problem(f"toolchain {name}", "the program uv, which makes it", "none", "pip install uv"))
    return found


@contextmanager
def _locked(name: str) -> Iterator[Path]:
    """The folder of all toolchains, held by this process alone."""
    home = _home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        step = "set XDG_CACHE_HOME to a folder of yours"
        found = (error.strerror or "").lower()
        raise UnavailableError(Problem(f"toolchain {name}", f"a folder {home}", found, step)) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield home
    finally:
        os.close(handle)


def _check(name: str) -> None:
    if name not in names():
        raise InputError(Problem("toolchain", "a known name", repr(name), did_you_mean(name, names())))


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "godwit" / "toolchains"


def _pins(name: str) -> Path:
    return PINS / f"{name}.txt"


def _folder(name: str) -> Path:
    digest = hashlib.sha256(_pins(name).read_bytes()).hexdigest()
    return _home() / f"{name}-{digest[:_HASH_DIGITS]}"


def _python(name: str) -> Path:
    return _folder(name) / "bin" / "python"


def _folders(name: str) -> list[Path]:
    return sorted(_home().glob(f"{name}-{'[0-9a-f]' * _HASH_DIGITS}"))


def _purpose(name: str) -> str:
    return _pins(name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*"))
