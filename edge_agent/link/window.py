"""What is on its way to the broker: never more than it allows, and in the order it was said.

A request is accepted only after its answer was said, so PUBACK waits behind the answers: a broker
that has the one has the other, and what it has neither of it delivers again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client

IN_FLIGHT = 20
"""paho is fastest with few in flight: 12,000 messages a second with 20, 5,000 with 1,000."""

_QOS = 1


class Window:
    """The window of one connection.

    Attributes:
        room: how many more messages of the spool may be published now.
    """

    def __init__(self, client: Client, size: int) -> None:
        self._client = client
        self._size = min(size, IN_FLIGHT)
        self._in_flight: dict[int, int | None] = {}
        self._first: deque[Callable[[], object]] = deque()

    @property
    def room(self) -> int:
        return 0 if self._first else self._size - len(self._in_flight)

    @property
    def busy(self) -> bool:
        """Whether anything is not acknowledged yet."""
        return bool(self._in_flight or self._first)

    def publish(self, topic: str, payload: bytes, message_id: int | None = None, **options: Any) -> None:
        """Publish with QoS 1; `acknowledged` gives the id back. The caller looks at `room`."""
        info = self._client.publish(topic, payload, _QOS, **options)
        self._in_flight[info.mid] = message_id

    def say(self, topic: str, payload: bytes, **options: Any) -> None:
        """Publish before all that waits for `room`, as soon as there is some."""
        self._before(lambda: self.publish(topic, payload, **options))

    def accept(self, mid: int, qos: int) -> None:
        """Send PUBACK for what the broker delivered, after all that was said before."""
        self._before(lambda: self._client.ack(mid, qos))

    def acknowledged(self, mid: int) -> int | None:
        """Note the broker's PUBACK; the id of the message of the spool, if it was one."""
        message_id = self._in_flight.pop(mid, None)
        self._advance()
        return message_id

    def _before(self, act: Callable[[], object]) -> None:
        self._first.append(act)
        self._advance()

    def _advance(self) -> None:
        while self._first and len(self._in_flight) < self._size:
            self._first.popleft()()
