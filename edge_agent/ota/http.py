"""A repository over HTTP or HTTPS: bounded in size and time, by ranges where a file came in part before.

Nothing here decides about trust; what a hostile server can do is to waste the time and bytes that are bounded here.
Proxies are those of the environment (`https_proxy`, `no_proxy`, …). Requests say nothing of the device.
"""

from __future__ import annotations

import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import quote

from edge_agent.ota import requesting
from edge_agent.ota.requesting import Reply
from firmware_profiles.errors import Problem, UnavailableError

_CHUNK_BYTES = 1 << 16
_MISSING = (403, 404)  # object stores say 403 of what is not there
_PORTAL = 511  # RFC 6585, section 6
_TRY_AGAIN = "it is tried again at the next check"
_SIGN_IN = "sign in to the network, or use another one"


class Patience(NamedTuple):
    """How long a server may take.

    Attributes:
        answer_s: for one packet, and for the whole of what comes before the body.
        slowest_bytes_per_s: of a body, over all of it; `answer_s` are given beside it.
    """

    answer_s: float = 30.0
    slowest_bytes_per_s: int = 500

    def whole_s(self, size_bytes: int) -> float:
        """For a request whose body has at most `size_bytes`."""
        return 2 * self.answer_s + size_bytes / self.slowest_bytes_per_s


class HttpCarrier:
    """Reads from a URL below which `metadata/` and `targets/` lie.

    Attributes:
        metadata_url, targets_url: these two.
    """

    is_network = True

    def __init__(
        self, url: str, ca: Path | None = None, *, judge_dates: bool = True, patience: Patience | None = None
    ) -> None:
        """Check what is given; nothing is asked yet.

        Args:
            ca: PEM file of the authority that must have signed the server's certificate; None for the system's.
            judge_dates: whether the certificate must be valid today; a device that woke in 1970 cannot tell, and may
                leave it where `ca` is pinned.

        Raises:
            InputError: it is not a URL of http or https, or `ca` cannot be read.
        """
        self.metadata_url = f"{url.rstrip('/')}/metadata"
        self.targets_url = f"{url.rstrip('/')}/targets"
        requesting.parse(url)
        self._tls = requesting.tls_context(ca, judge_dates=judge_dates)
        self._patience = patience or Patience()

    def metadata(self, name: str, limit_bytes: int) -> bytes | None:
        """As in `Carrier`."""
        url = f"{self.metadata_url}/{quote(name, safe='')}"
        # A slow server gets the time for a small file, whatever the limit.
        with self._ask(url, self._patience.whole_s(min(limit_bytes, 65_536)), 0) as reply:
            if reply.status in _MISSING:
                return None
            self._check(reply, url, (200,))
            data = b"".join(_body(reply, url, limit_bytes))
        if data.lstrip()[:1] == b"<":
            raise _portal(url)
        if not data:
            raise _odd(url, "the file", "an empty one")
        return data

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        """As in `Carrier`."""
        url = f"{self.targets_url}/{quote(path.removeprefix('targets/'))}"
        with _opened(into) as out:
            if out.tell() > size_bytes:
                out.truncate(0)
            begun = out.seek(0, os.SEEK_END)
            if begun == size_bytes:
                return
            with self._ask(url, self._patience.whole_s(size_bytes - begun), begun) as reply:
                self._check(reply, url, (200, 206))
                if reply.status == 200:
                    out.truncate(0)
                elif reply.begins_at != begun:
                    raise _odd(url, f"bytes from {begun} on", f"bytes from {reply.begins_at} on")
                left_bytes = size_bytes - out.seek(0, os.SEEK_END)
                for chunk in _body(reply, url, left_bytes):
                    _write(out, chunk, into)
            _flush(out, into)
            if out.tell() != size_bytes:
                raise _odd(url, f"{size_bytes} bytes", f"the end after {out.tell()}")

    def _ask(self, url: str, whole_s: float, begin: int) -> Reply:
        return requesting.ask(url, self._tls, self._patience.answer_s, whole_s, begin)

    def _check(self, reply: Reply, url: str, admitted: tuple[int, ...]) -> None:
        if reply.status == _PORTAL or (reply.status in admitted and reply.is_page):
            raise _portal(url)
        if reply.status not in admitted:
            raise _odd(url, "the file", f"status {reply.status}")


def _body(reply: Reply, url: str, limit_bytes: int) -> Iterator[bytes]:
    """What comes, up to the limit.

    Raises:
        UnavailableError: more comes, or the time is up, or the connection ends.
    """
    if reply.length is not None and reply.length > limit_bytes:
        raise _odd(url, f"at most {limit_bytes} bytes", f"{reply.length}")
    got = 0
    try:
        while chunk := reply.read(_CHUNK_BYTES):
            got += len(chunk)
            if got > limit_bytes:
                raise _odd(url, f"at most {limit_bytes} bytes", "more")
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        why = "too slow" if reply.is_late else (str(error) or type(error).__name__)
        raise _odd(url, "the whole file", f"the end after {got} bytes: {why}") from None
    if reply.is_late:
        raise _odd(url, "the whole file", f"{got} bytes in {reply.whole_s:.0f} s: too slow")
    if reply.length is not None and got < reply.length:
        raise _odd(url, f"{reply.length} bytes", f"the end after {got}")


def _opened(into: Path) -> IO[bytes]:
    try:
        return into.open("ab")
    except OSError as error:
        raise _unwritable(into, error) from None


def _write(out: IO[bytes], chunk: bytes, into: Path) -> None:
    try:
        out.write(chunk)
    except OSError as error:
        raise _unwritable(into, error) from None


def _flush(out: IO[bytes], into: Path) -> None:
    try:
        out.flush()
        os.fsync(out.fileno())
    except OSError as error:
        raise _unwritable(into, error) from None


def _portal(url: str) -> UnavailableError:
    return UnavailableError(
        Problem(requesting.shown(url), "a file of the repository", "a web page, as a captive portal shows", _SIGN_IN)
    )


def _odd(url: str, expected: str, found: str) -> UnavailableError:
    return UnavailableError(Problem(requesting.shown(url), expected, found, _TRY_AGAIN))


def _unwritable(into: Path, error: OSError) -> UnavailableError:
    found = (error.strerror or str(error)).lower()
    return UnavailableError(Problem(str(into), "a file to write to", found, "check its rights and its free space"))
