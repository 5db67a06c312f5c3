"""Which token whoever asks must send, and one of the agent's own making where nobody chose one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from edge_agent.config import Http
from edge_agent.layout import Root
from edge_agent.web import address
from edge_agent.web.auth import checked, read_token
from firmware_profiles import atomic

VARIABLE = "GODWIT_HTTP_TOKEN"
_BYTES = 24
_SECRET_MODE = 0o600


class Access(NamedTuple):
    """Who may ask.

    Attributes:
        token: None where only this machine can connect, and nobody chose one.
        made: by the agent itself, so that somebody must be told.
    """

    token: bytes | None
    made: bool = False


def find(http: Http, root: Root, environment: Mapping[str, str]) -> Access:
    """The environment's token, else that of the configured file, else beyond loopback our own, kept in the root.

    Raises:
        InputError: what was chosen is no token.
        OSError: our own cannot be written.
    """
    if text := environment.get(VARIABLE):
        return Access(checked(text.encode(), VARIABLE, "choose a longer one"))
    if http.token_file:
        return Access(read_token(root.folder / http.token_file))
    if address.parse(http.listen, "http.listen").loopback:
        return Access(None)
    return Access(_own(root.http_token), made=True)


def _own(path: Path) -> bytes:
    if not path.exists():
        import secrets  # late: needed once in the life of a device

        with atomic.writer(path, _SECRET_MODE) as stream:
            stream.write(secrets.token_urlsafe(_BYTES).encode() + b"\n")
    return read_token(path)
