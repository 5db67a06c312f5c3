"""Who may ask: a token, and the Host and Origin headers.

Without a token only this machine can connect, but the browsers on it carry out what any web page says.
Such a page is known by its Origin, or, after DNS rebinding, by a Host that is not this machine's name.
With a token neither helps it, since a token is never sent by a browser on its own.
"""

from __future__ import annotations

import hmac
import re
from pathlib import Path

from edge_agent.web.messages import Head, Response, error
from firmware_profiles.errors import InputError, Problem

_LOOPBACK_HOST = re.compile(rb"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d{1,5})?", re.IGNORECASE)
_TOKEN = re.compile(rb"[!-~]{16,4096}")
_CHALLENGE = b"WWW-Authenticate: Bearer\r\n"


def read_token(path: Path) -> bytes:
    """The token in a file: one line of 16 or more printable characters.

    Raises:
        InputError: there is none.
    """
    step = f"write one: head -c 24 /dev/urandom | base64 > {path}"
    try:
        with path.open("rb") as stream:
            token = stream.read(8192).strip()
    except OSError as problem:
        found = (problem.strerror or str(problem)).lower()
        raise InputError(Problem(f"http.token_file {path}", "a readable file", found, step)) from None
    return checked(token, f"http.token_file {path}", step)


def checked(token: bytes, where: str, step: str) -> bytes:
    """The same token.

    Raises:
        InputError: it is none, at `where`; `step` is what to do.
    """
    if not _TOKEN.fullmatch(token):
        found = f"{len(token)} bytes, or spaces among them"
        raise InputError(Problem(where, "16 or more printable characters", found, step))
    return token


class Guard:
    """Judges requests by their heads."""

    def __init__(self, token: bytes | None) -> None:
        self._token = token

    def refusal(self, head: Head, *, public: bool) -> Response | None:
        """Why this request is not served; None if it is.

        Args:
            public: what it asks for needs no token.
        """
        host = head.headers.get(b"host")
        if host is None:
            return error(400, "no Host header")
        origin = head.headers.get(b"origin")
        if origin is not None and origin.lower() not in (b"http://" + host.lower(), b"https://" + host.lower()):
            return error(403, "a page of another origin may not ask")
        if self._token is None:
            if _LOOPBACK_HOST.fullmatch(host):
                return None
            return error(403, "Host must be localhost, 127.0.0.1 or [::1] where no token is configured")
        if public or self._authorized(head.headers.get(b"authorization", b"")):
            return None
        return error(401, "a token is needed: Authorization: Bearer TOKEN", _CHALLENGE)

    def _authorized(self, credentials: bytes) -> bool:
        scheme, _, token = credentials.partition(b" ")
        assert self._token is not None
        return scheme.lower() == b"bearer" and hmac.compare_digest(token.strip(), self._token)
