"""One GET over HTTP/1.1, with an end to how long it takes: http.client, and a timer that closes its socket.

A socket's own timeout counts from one packet to the next, so a server that sends a byte now and then would hold it
for ever, in the middle of a TLS handshake or of a header too.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import re
import socket
import ssl
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from firmware_profiles.errors import InputError, Problem, UnavailableError

if TYPE_CHECKING:
    from typing_extensions import Self

_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_RANGE = re.compile(r"bytes (\d{1,15})-")
_LOGIN = re.compile(r"//[^/?#]*@")
_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME; Python has no name for it
_HEADERS = {"User-Agent": "godwit", "Accept-Encoding": "identity", "Connection": "close"}


def parse(url: str) -> SplitResult:
    """The parts of a URL of http or https.

    Raises:
        InputError: it is none.
    """
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or any(ord(letter) <= 32 for letter in url):
        expected = "a URL such as https://updates.example/godwit"
        raise InputError(Problem(shown(url), expected, "another form", "correct it"))
    return parts


def shown(url: str) -> str:
    """A URL for people: without the password that may be in it."""
    return _LOGIN.sub("//", url)


def tls_context(ca: Path | None, *, judge_dates: bool) -> ssl.SSLContext:
    """How servers are told apart: by the system's authorities, or by `ca` alone.

    Args:
        judge_dates: whether certificates must be valid today.

    Raises:
        InputError: `ca` cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        raise InputError(Problem(str(ca), "a PEM file with a certificate", str(error), "check the file")) from None
    if not judge_dates and ca is not None:
        context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME)
    return context


class _Connection(http.client.HTTPConnection):
    """As the library's, with TLS by hand: there the socket is out of reach during the handshake.

    Attributes:
        spare: another handle of the same socket, to shut it down by.
    """

    def __init__(self, host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None, server: str) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self.spare: socket.socket | None = None
        self._tls = tls
        self._server = server
        if tls:
            self.default_port = 443

    def connect(self) -> None:
        super().connect()  # to the proxy and through it, if there is one
        self.spare = self.sock.dup()
        if self._tls:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._server)

    def close(self) -> None:
        super().close()
        if self.spare is not None:
            self.spare.close()


class Reply:
    """An answer whose body is still to be read. Use as a context manager.

    Attributes:
        status: of HTTP.
        length: of the body in bytes, if the server says so.
        is_page: whether it is said to be a page for people.
        is_late: whether the time was up before its end.
    """

    def __init__(self, connection: _Connection, whole_s: float) -> None:
        self.is_late = False
        self.status = 0
        self.length: int | None = None
        self.is_page = False
        self.whole_s = whole_s
        self._connection = connection
        self._response: http.client.HTTPResponse | None = None
        self._timer = threading.Timer(whole_s, self._end)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()

    def send(self, target: str, headers: dict[str, str]) -> None:
        """Send the request and read the answer's head.

        Raises:
            OSError, http.client.HTTPException: it did not come.
        """
        self._connection.request("GET", target, headers=headers)
        response = self._connection.getresponse()
        self._response = response
        self.status = response.status
        self.length = response.length
        self.is_page = response.headers.get_content_type() == "text/html"

    def header(self, name: str) -> str:
        """One header of the answer; empty if there is none."""
        assert self._response is not None
        return self._response.headers.get(name, "")

    @property
    def begins_at(self) -> int:
        """Where a part of a file begins in it, in bytes; 0 where that is not said."""
        match = _RANGE.match(self.header("Content-Range"))
        return int(match[1]) if match else 0

    def read(self, most_bytes: int) -> bytes:
        """What has come of the body, at least a byte; none at its end.

        Raises:
            OSError, http.client.HTTPException: the connection broke.
        """
        assert self._response is not None
        return self._response.read1(most_bytes)

    def _end(self) -> None:
        self.is_late = True
        if (sock := self._connection.spare or self._connection.sock) is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


def ask(url: str, tls: ssl.SSLContext, answer_s: float, whole_s: float, begin: int) -> Reply:
    """GET `url`, from byte `begin` on; redirections are followed, but never from https to http.

    Args:
        answer_s: for each packet.
        whole_s: for everything, the body too.

    Raises:
        UnavailableError: nothing answers.
    """
    headers = {**_HEADERS, **({"Range": f"bytes={begin}-"} if begin else {})}
    until = time.monotonic() + whole_s
    for _ in range(_MAX_REDIRECTS + 1):
        reply = _ask_once(url, tls, answer_s, max(0.1, until - time.monotonic()), headers)
        if reply.status not in _REDIRECTS:
            return reply
        with reply:
            url = _onward(url, reply.header("Location"))
    raise _silent(url, f"more than {_MAX_REDIRECTS} redirections")


def _onward(url: str, location: str) -> str:
    try:
        onward = urljoin(url, location)
        parse(onward)
    except (ValueError, InputError):
        raise _silent(url, "a redirection to nowhere") from None
    if url.startswith("https:") and not onward.startswith("https:"):
        raise _silent(url, "a redirection away from https")
    return onward


def _ask_once(url: str, tls: ssl.SSLContext, answer_s: float, whole_s: float, headers: dict[str, str]) -> Reply:
    parts = parse(url)
    connection, target, more = _connection(parts, tls, answer_s)
    reply = Reply(connection, whole_s)
    try:
        reply.send(target, {**headers, **more})
    except (OSError, http.client.HTTPException, ValueError) as error:
        reply.__exit__()
        raise _silent(url, "nothing in time" if reply.is_late else _reason(error)) from None
    except BaseException:
        reply.__exit__()
        raise
    if reply.is_late:  # http.client takes a head that was cut off for a whole one
        reply.__exit__()
        raise _silent(url, "nothing in time")
    return reply


def _connection(parts: SplitResult, tls: ssl.SSLContext, answer_s: float) -> tuple[_Connection, str, dict[str, str]]:
    """A connection, what to ask it for, and further headers; by way of a proxy if the environment names one."""
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    own = _login("Authorization", parts)
    proxy = _proxy(parts)
    if proxy is None:
        return _Connection(host, port, answer_s, tls if secure else None, host), target, own
    login = _login("Proxy-Authorization", proxy)
    through = _Connection(proxy.hostname or "", proxy.port or 80, answer_s, tls if secure else None, host)
    if secure:
        through.set_tunnel(host, port, login)
        return through, target, own
    return through, parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl(), {**own, **login}


def _proxy(parts: SplitResult) -> SplitResult | None:
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    named = urllib.request.getproxies().get(parts.scheme)
    return parse(named if "://" in named else f"http://{named}") if named else None


def _login(header: str, url: SplitResult) -> dict[str, str]:
    """The header that shows the name and password in `url`; none where there are none."""
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}"
    return {header: f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _silent(url: str, found: str) -> UnavailableError:
    step = "check the network, and the URL of the repository"
    return UnavailableError(Problem(shown(url), "an answer", found, step))


def _reason(error: Exception) -> str:
    text = (getattr(error, "strerror", None) or str(error) or type(error).__name__).lower()
    return " ".join(text.split())[:200]
