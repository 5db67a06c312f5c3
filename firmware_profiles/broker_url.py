"""A broker's URL, `mqtt[s]://[user:password@]host[:port]`: read in one place, since devices and operators give it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from firmware_profiles.errors import InputError, Problem

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Tls(NamedTuple):
    """Files in PEM form for a connection under TLS.

    Attributes:
        ca: of the authority that must have signed the broker's certificate; None for any that this system trusts.
        certificate: shown to the broker, with its chain; None for none.
        key: the certificate's private key, without a passphrase.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Address(NamedTuple):
    """A parsed broker URL.

    Attributes:
        tls: None for a connection in the clear.
    """

    host: str
    port: int
    user: str | None
    password: str | None
    tls: Tls | None = None


def parse(url: str, where: str) -> Address:
    """The parts of a broker's URL; `where` names it in the error.

    Raises:
        InputError: it is not an mqtt:// or mqtts:// URL with a host.
    """
    expected, step = "mqtt[s]://[user:password@]host[:port]", "correct the URL"
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError as error:
        raise InputError(Problem(where, expected, str(error), step)) from None
    if (
        parts.scheme not in _DEFAULT_PORTS
        or not parts.hostname
        or parts.path.strip("/")
        or parts.query
        or parts.fragment
    ):
        shown = f"{parts.scheme}://{parts.hostname or ''}{parts.path}"  # never the password
        raise InputError(Problem(where, expected, shown, step))
    user, password = (unquote(text) if text is not None else None for text in (parts.username, parts.password))
    return Address(parts.hostname, port, user, password, Tls() if parts.scheme == "mqtts" else None)
