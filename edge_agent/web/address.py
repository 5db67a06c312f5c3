"""Where HTTP listens: HOST:PORT, as `127.0.0.1:8000`, `[::1]:8000`, `0.0.0.0:8000`."""

from __future__ import annotations

import re
import socket
from typing import NamedTuple

from firmware_profiles.errors import InputError, Problem

_FORM = re.compile(r"(?P<host>localhost|[0-9.]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]{1,5})")
_IPV6_LOOPBACK = bytes(15) + b"\x01"


class Address(NamedTuple):
    """A parsed address.

    Attributes:
        port: 0 for any free one.
        loopback: only this machine can connect.
    """

    host: str
    port: int
    loopback: bool


def parse(text: str, where: str) -> Address:
    """The address in `text`, which stands at `where`.

    Raises:
        InputError: it is none.
    """
    problem = Problem(where, 'an address and a port, as "127.0.0.1:8000"', repr(text), 'correct it; "" is off')
    match = _FORM.fullmatch(text)
    if not match or int(match["port"]) > 65535:
        raise InputError(problem)
    host = "127.0.0.1" if match["host"] == "localhost" else match["host"].strip("[]")
    try:
        packed = socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except OSError:
        raise InputError(problem) from None
    return Address(host, int(match["port"]), packed == _IPV6_LOOPBACK or (packed[0] == 127 and len(packed) == 4))
