"""For whom wheels are gathered: a Python, an architecture and a glibc, as pip and uv name them.

PEP 600: a wheel `manylinux_X_Y` runs wherever glibc is X.Y or newer, so a device takes the tags of every older one too.
"""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.profile import Profile
from firmware_profiles.words import Architecture

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
_OLDEST_GLIBC = 17
# uv knows these platforms by name; a newer or other glibc takes the next older one.
_UV_GLIBC = (40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 28, 17)
# The names of before PEP 600, and the glibc 2.x that they stand for.
_LEGACY = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}
_GLIBC = re.compile(r"^2\.([0-9]{1,3})\Z")


class Userland(NamedTuple):
    """What runs on the device.

    Attributes:
        python: "3.11".
        arch: "aarch64" or "x86_64".
        glibc: "2.36".
    """

    python: str
    arch: Architecture
    glibc: str

    @property
    def tag(self) -> str:
        """As in a wheel's name: "cp311"."""
        return "cp" + self.python.replace(".", "")

    @property
    def folder(self) -> str:
        """What a folder with the agent for it is called: "cp311-aarch64"."""
        return f"{self.tag}-{self.arch}"

    @property
    def platforms(self) -> list[str]:
        """The platform tags that it runs, best first."""
        minor = _minor(self.glibc)
        tags = [f"manylinux_2_{each}_{self.arch}" for each in range(minor, _OLDEST_GLIBC - 1, -1)]
        legacy = [f"{name}_{self.arch}" for name, needs in _LEGACY.items() if needs <= minor]
        return [*tags, *legacy, f"linux_{self.arch}"]

    @property
    def uv_platform(self) -> str:
        """What uv calls it."""
        minor = next(each for each in _UV_GLIBC if each <= _minor(self.glibc))
        return f"{self.arch}-manylinux_2_{minor}"

    def runs(self, wheel: str) -> bool:
        """Whether the wheel of that file name can be installed there."""
        try:
            tags = parse_wheel_filename(wheel)[3]
        except InvalidWheelFilename:
            return False
        platforms = {*self.platforms, "any"}
        return any(tag.platform in platforms and self._runs(tag.interpreter, tag.abi) for tag in tags)

    def _runs(self, interpreter: str, abi: str) -> bool:
        """PEP 425: this Python's own wheels, those of the stable ABI since an older one, and pure ones."""
        if interpreter == self.tag:
            return abi in (self.tag, "abi3", "none")
        found = re.match(r"^(?:cp|py)3([0-9]*)\Z", interpreter)
        older = found is not None and int(found[1] or 0) <= int(self.python.partition(".")[2])
        return older and abi == ("abi3" if interpreter.startswith("cp") else "none")


def of(profile: Profile, python: str | None = None) -> Userland:
    """The userland that `profile` describes, or the same with another Python.

    Raises:
        InputError: the agent does not run there as a service, or no wheels exist for it.
    """
    if profile.os.agent != "service":
        step = "deploy its container" if profile.os.agent == "container" else "an app loads the model there: adb://"
        raise InputError(Problem(profile.name, "a device on which the agent is a service", profile.os.agent, step))
    return checked(python or profile.os.python, profile.hardware.arch, profile.os.glibc, profile.name)


def checked(python: str, arch: str, glibc: str, where: str) -> Userland:
    """The userland of that Python, architecture and glibc, if wheels exist for it.

    Raises:
        InputError: everything that is unknown about it.
    """
    problems = []
    if python not in PYTHONS:
        step = "install one of them there"
        problems.append(Problem(where, f"Python {PYTHONS[0]} to {PYTHONS[-1]}", python or "none", step))
    if not _GLIBC.match(glibc) or _minor(glibc) < _OLDEST_GLIBC:
        found = glibc or "none"
        problems.append(Problem(where, f"glibc 2.{_OLDEST_GLIBC} or newer", found, "install a newer system there"))
    if arch not in ("aarch64", "x86_64"):
        step = "install its 64-bit system: the runtimes have no wheels for this one"
        problems.append(Problem(where, "a 64-bit userland, aarch64 or x86_64", arch, step))
    if problems:
        raise InputError(*problems)
    return Userland(python, cast("Architecture", arch), glibc)


def _minor(glibc: str) -> int:
    found = _GLIBC.match(glibc)
    return int(found[1]) if found else 0
