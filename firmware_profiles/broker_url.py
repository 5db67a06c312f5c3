"""A broker's URL, `mqtt://[user:password@]host[:port]`: read in one place, since devices and operators give it."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from firmware_profiles.errors import InputError, Problem

_DEFAULT_PORT = 1883


class Address(NamedTuple):
    """A parsed broker URL."""

    host: str
    port: int
    user: str | None
    password: str | None


def parse(url: str, where: str) -> Address:
    """The parts of a broker's URL; `where` names it in the error.

    Raises:
        InputError: it is not an mqtt:// URL with a host.
    """
    expected, step = "mqtt://[user:password@]host[:port]", "correct the URL"
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORT
    except ValueError as error:
        raise InputError(Problem(where, expected, str(error), step)) from None
    if parts.scheme != "mqtt" or not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"  # never the password
        raise InputError(Problem(where, expected, shown, step))
    user, password = (unquote(text) if text is not None else None for text in (parts.username, parts.password))
    return Address(parts.hostname, port, user, password)
