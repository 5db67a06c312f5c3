"""From a folder of wheels to the agent's own code as one file, for one Python and one architecture."""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from firmware_profiles import agent_code
from firmware_profiles.agent_code import AgentCode
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import FileEntry
from firmware_profiles.words import Architecture

_CHUNK_BYTES = 1 << 20
_MANYLINUX = re.compile(r"^manylinux_(\d+)_(\d+)_")
_OLD_NAMES = {"manylinux1": "2.5", "manylinux2010": "2.12", "manylinux2014": "2.17"}
_STEP = "gather the wheels for this device again"
_UNUSED = re.compile(r"tests\Z|\.")
"""A package's tests of itself, and hidden files: never imported."""


class _Place(NamedTuple):
    """Where a member's content is."""

    wheel: zipfile.ZipFile
    name: str


def build(wheels: Path, python: str, arch: Architecture, out: Path) -> Path:
    """Write the file that holds all that the wheels in the folder `wheels` hold; the path of it, in the folder `out`.

    Args:
        python: tag of the Python on the device, as in "cp311".

    Raises:
        InputError: a wheel is damaged, for another Python or another architecture, or two differ in a file; or there
            is none of godwit's own.
    """
    with _read(wheels, python, arch) as (of, places):
        path = out / agent_code.file_name(of)
        agent_code.write(path, of, lambda name: _chunks(places[name]))
    return path


def describe(wheels: Path, python: str, arch: Architecture) -> AgentCode:
    """What that file would say of itself; arguments and errors as of `build`."""
    with _read(wheels, python, arch) as (of, _):
        return of


@contextmanager
def _read(wheels: Path, python: str, arch: Architecture) -> Iterator[tuple[AgentCode, dict[str, _Place]]]:
    found = sorted(wheels.glob("*.whl"))
    if problems := list(_misfits(found, python, arch)):
        raise InputError(*problems)
    version = next((wheel.name.split("-")[1] for wheel in found if wheel.name.startswith("godwit-")), "")
    if not version:
        raise InputError(Problem(str(wheels), "a wheel of godwit among the others", "none", _STEP))
    with ExitStack() as stack:
        places = _spread([stack.enter_context(_opened(wheel)) for wheel in found])
        files = {name: _entry(place) for name, place in places.items()}
        if fault := agent_code.fault_in_names(files):
            raise InputError(Problem(str(wheels), "plain names of files", fault, _STEP))
        yield AgentCode(version=version, python=python, arch=arch, glibc=_glibc(found), files=files), places


def _misfits(wheels: list[Path], python: str, arch: str) -> Iterator[Problem]:
    """Wheels whose names say that they are for something else (PyPA, Binary distribution format: file name)."""
    for wheel in wheels:
        tags = wheel.stem.rsplit("-", 3)[1:]
        pythons, abis, platforms = ([*tags, "", "", ""][place].split(".") for place in range(3))
        fits = python in pythons or "abi3" in abis or any(tag in ("py3", f"py3{python[3:]}") for tag in pythons)
        if not fits or not any(platform == "any" or platform.endswith(f"_{arch}") for platform in platforms):
            yield Problem(wheel.name, f"a wheel for {python} and {arch}", "-".join(tags) or "no tags", _STEP)


def _glibc(wheels: list[Path]) -> str:
    """The oldest glibc that satisfies every wheel: the newest that one of them needs at least."""
    needed = (min(versions) for wheel in wheels if (versions := list(_glibcs(wheel))))
    newest = max(needed, default=None)
    return f"{newest[0]}.{newest[1]}" if newest else ""


def _glibcs(wheel: Path) -> Iterator[tuple[int, int]]:
    """Those that a wheel names (PEP 600); it may name several, of which the oldest is enough."""
    for platform in wheel.stem.rpartition("-")[2].split("."):
        old = _OLD_NAMES.get(platform.partition("_")[0])
        if match := _MANYLINUX.match(platform):
            yield int(match[1]), int(match[2])
        elif old:
            yield (2, int(old.partition(".")[2]))


def _opened(wheel: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(wheel)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(Problem(str(wheel), "a wheel", str(error), _STEP)) from None


def _spread(wheels: list[zipfile.ZipFile]) -> dict[str, _Place]:
    """Where each file goes in a library folder, and where it comes from (the same specification: "Spread").

    Raises:
        InputError: two wheels hold a file of one name with different contents.
    """
    places: dict[str, _Place] = {}
    for wheel in wheels:
        for name in (info.filename for info in wheel.infolist() if not info.is_dir()):
            parts = name.split("/")
            if parts[0].endswith(".data"):  # scripts and headers are nobody's here
                parts = parts[2:] if parts[1] in ("purelib", "platlib") else []
            place = "" if any(map(_UNUSED.match, parts)) else "/".join(parts)
            first = places.setdefault(place, _Place(wheel, name)) if place else None
            if first and first.wheel is not wheel and _entry(first) != _entry(_Place(wheel, name)):
                expected = f"{place} as in {Path(str(first.wheel.filename)).name}"
                raise InputError(Problem(Path(str(wheel.filename)).name, expected, "another one", _STEP))
    return places


def _entry(place: _Place) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    for chunk in _chunks(place):
        digest.update(chunk)
        size += len(chunk)
    return FileEntry(digest.hexdigest(), size)


def _chunks(place: _Place) -> Iterator[bytes]:
    try:
        with place.wheel.open(place.name) as member:
            while chunk := member.read(_CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError) as error:
        raise InputError(Problem(f"{place.wheel.filename}: {place.name}", "a whole file", str(error), _STEP)) from None
