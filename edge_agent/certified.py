"""The supervisor's part in the renewal of this device's certificate. It carries messages and understands none.

The updater leaves a request; it is retained at the broker until it is answered. What comes back is left for the
updater, who judges it. When another certificate is in use the agent connects anew, with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import msgspec

from edge_agent.config import Config
from edge_agent.layout import Root
from edge_agent.link.mqtt import Link, Received, Retained
from firmware_profiles import atomic, topics
from firmware_profiles.wire import Certificate

_MAX_BYTES = 16_384


class Certified:
    """Looks at the identity's folder now and then."""

    def __init__(self, root: Root, config: Config, link: Link, tell: Callable[[str], None]) -> None:
        """`tell` gets a sentence when another certificate is in use."""
        self._root = root
        self._link = link
        self._tell = tell
        self._concerned = config.broker.names_identity
        self._topic = topics.topic(config.device, "identity")
        self._current = self._in_use()
        self._said = 0

    def connected(self) -> None:
        """Say it again, or that there is nothing to be asked: a broker forgets, and remembers for too long."""
        if self._concerned:
            self._said = self._written_ns()
            self._link.retain(Retained(self._topic, self._request()))

    def look(self) -> None:
        """See what the updater did."""
        if not self._concerned:
            return
        if self._written_ns() != self._said:
            self.connected()
        if (now := self._in_use()) != self._current:
            self._current = now
            self._tell(f"the certificate {now} is in use")
            self._link.reconnect()

    def received(self, message: Received) -> None:
        """A certificate; it is of use only where one is awaited."""
        with contextlib.suppress(ValueError, RecursionError, OSError):  # it is retained, and asked for again
            if self._written_ns():
                came = msgspec.json.decode(message.payload[:_MAX_BYTES], type=Certificate)
                atomic.write_bytes(self._root.certificate_come, came.certificate.encode())
                self._root.request.touch()
        self._link.accept(message.token)

    def _request(self) -> bytes:
        try:
            with self._root.certificate_request.open("rb") as stream:
                return stream.read(_MAX_BYTES)
        except OSError:
            return b""

    def _written_ns(self) -> int:
        try:
            return self._root.certificate_request.stat().st_mtime_ns
        except OSError:
            return 0

    def _in_use(self) -> str:
        try:
            return str((self._root.identity / "current").readlink())
        except OSError:
            return ""
