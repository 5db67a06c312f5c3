"""Where a bundle is flashed to, as typed: a URL, whose scheme is the transport."""

from __future__ import annotations

import getpass
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from firmware_profiles import profile, ssh
from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.installation import Installed
from fleet.flash import serial_target
from fleet.flash.adb import Adb
from fleet.flash.folder import Here
from fleet.flash.given import Given
from fleet.flash.image import Image
from fleet.flash.on_device import OnDevice
from fleet.flash.plan import Planned
from fleet.flash.road import DEFAULT_ROOT
from fleet.flash.serial import Serial
from fleet.flash.sources import Source
from fleet.flash.ssh import Ssh
from fleet.flash.stick import Stick

_SERIAL = re.compile(r"^[A-Za-z0-9._:-]{0,100}\Z")
_PACKAGE = re.compile(r"^[A-Za-z]\w*(\.[A-Za-z]\w*)+\Z", re.ASCII)


class Target(Protocol):
    """Something that can be flashed.

    Attributes:
        name: as in errors.
        becomes: what is true of a deployment that was flashed to it.
    """

    name: str
    becomes: str

    def open(self) -> None:
        """Connect, and hold it for this flash.

        Raises:
            UnavailableError: it cannot be had.
        """

    def close(self) -> None:
        """Let go; never fails, does nothing a second time, and makes an `act` in another thread fail soon."""

    def plan(self, source: Source) -> Planned:
        """What is to be done there; nothing is written.

        Raises:
            GodwitError: everything for which it cannot be done.
        """

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; the target is as it was.
        """


def parse(texts: tuple[str, ...], given: Given) -> list[Target]:
    """The targets that `texts` name.

    Raises:
        InputError: everything that is wrong in any of them.
    """
    targets: list[Target] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            targets.append(_parse(text, given))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return targets


def without_certificates(targets: list[Target]) -> list[str]:
    """The names of those with no agent at the other end, which could ask for one."""
    return [each.name for each in targets if isinstance(each, Adb)]


def _parse(text: str, given: Given) -> Target:
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise InputError(Problem(text, "a target's URL", str(error), "correct the target")) from None
    if parts.scheme not in SCHEMES:
        step = did_you_mean(parts.scheme, SCHEMES) if parts.scheme else "put dir:// before an absolute path"
        raise InputError(Problem(text, " or ".join(f"{each}://…" for each in SCHEMES), "another form", step))
    return SCHEMES[parts.scheme](text, parts, given)


def _dir(text: str, parts: SplitResult, given: Given) -> Target:
    if parts.netloc or not parts.path.startswith("/"):
        step = "write three slashes: dir:///path"
        raise InputError(Problem(text, "dir:///ABSOLUTE/PATH", "a relative path", step))
    path = Path(unquote(parts.path))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    kind, python = query.pop("as", "stick" if path.is_mount() else "root"), query.pop("python", None)
    if kind not in ("root", "stick") or query or (python is not None and kind == "root"):
        expected = "?as=root, ?as=stick or ?python=VERSION of a stick's devices"
        raise InputError(Problem(text, expected, f"?{parts.query}", "correct the target"))
    return Here(path, given) if kind == "root" else Stick(path, python, given)


def _ssh(text: str, parts: SplitResult, given: Given) -> Target:
    hint = "name another device root: ?root=/home/pi/godwit"
    host, query = ssh.parse(text, "target", ["root"], hint)
    root = query.get("root", DEFAULT_ROOT)
    if not root.startswith("/"):
        raise InputError(Problem(text, "an absolute path of the device root", root, hint))
    road = Ssh(text.partition("?")[0], host, root.rstrip("/"), given.password_file)
    return OnDevice(road, _owner(), given)


def _image(text: str, parts: SplitResult, given: Given) -> Target:
    if parts.netloc or not parts.path.startswith("/"):
        step = "write three slashes: image:///path.img"
        raise InputError(Problem(text, "image:///ABSOLUTE/PATH", "a relative path", step))
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := sorted(query.keys() - {"profile"}):
        step = "say what it will boot on: ?profile=raspberry-pi-5"
        raise InputError(Problem(text, "?profile=NAME or nothing", f"?{unknown[0]}=", step))
    board = profile.load(query["profile"]).hardware.device_tree_model if "profile" in query else ""
    return Image(Path(unquote(parts.path)), board, given)


def _adb(text: str, parts: SplitResult, given: Given) -> Target:
    hint = "type adb://SERIAL, as adb devices shows it; for one app alone adb://SERIAL?package=com.example.app"
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    package = query.pop("package", "")
    if parts.path.strip("/") or query or not _SERIAL.match(parts.netloc):
        raise InputError(Problem(text, "adb://SERIAL", "another form", hint))
    if package and not _PACKAGE.match(package):
        raise InputError(Problem(text, "the name of an app's package", repr(package), hint))
    return Adb(parts.netloc, package)


def _serial(text: str, parts: SplitResult, given: Given) -> Target:
    return Serial(serial_target.parse(text), _owner(), given)


def _owner() -> str:
    return f"{getpass.getuser()} on {platform.node()}"


SCHEMES: dict[str, Callable[[str, SplitResult, Given], Target]] = {
    "ssh": _ssh,
    "serial": _serial,
    "dir": _dir,
    "image": _image,
    "adb": _adb,
}
"""Scheme → what makes its target: (as typed, its parts, what else was given) → Target; raises InputError."""
