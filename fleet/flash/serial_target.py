"""A serial target as typed: `serial:///dev/ttyUSB0?baud=3000000&user=pi&root=/var/lib/godwit`."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.serial_link import DEFAULT_BAUD, LEAST_BAUD, MOST_BAUD
from fleet.flash.road import DEFAULT_ROOT

EXPECTED = "serial:///dev/PORT[?baud=N][&user=NAME][&root=DIR]"
_KEYS = ("baud", "user", "root")


class SerialTarget(NamedTuple):
    """A port of this machine, and what is at its other end.

    Attributes:
        user: who logs in where a console asks; empty for nobody.
        root: the device root, where there is a console; a receiver has its own.
    """

    port: str
    baud: int = DEFAULT_BAUD
    user: str = ""
    root: str = DEFAULT_ROOT

    @property
    def url(self) -> str:
        """In errors."""
        return f"serial://{self.port}"


def parse(text: str) -> SerialTarget:
    """The target that `text` names.

    Raises:
        InputError: everything that is wrong in it.
    """
    parts = urlsplit(text)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    problems = [
        Problem(text, f"of {', '.join(_KEYS)}", repr(key), did_you_mean(key, _KEYS))
        for key in given
        if key not in _KEYS
    ]
    if parts.netloc or not parts.path.startswith("/"):
        problems.append(Problem(text, EXPECTED, "a relative path", "write three slashes: serial:///dev/ttyUSB0"))
    baud = given.get("baud", str(DEFAULT_BAUD))
    if not (baud.isascii() and baud.isdigit() and len(baud) < 9 and LEAST_BAUD <= int(baud) <= MOST_BAUD):
        problems.append(Problem(text, f"baud from {LEAST_BAUD} to {MOST_BAUD}", repr(baud), "type what the device has"))
    user, root = given.get("user", ""), given.get("root", DEFAULT_ROOT)
    if not (user.isprintable() and len(user) <= 32):
        problems.append(Problem(text, "the name of a user", repr(user), "correct it"))
    if not (root.startswith("/") and root.isprintable() and len(root) <= 200):
        problems.append(Problem(text, "the device root's absolute path", repr(root), "correct it"))
    if problems:
        raise InputError(*problems)
    return SerialTarget(unquote(parts.path), int(baud), user, root)
