"""What the broker delivers, bounded in number and size, and kept by it until we accept it."""

from __future__ import annotations

import itertools
import logging
from typing import NamedTuple

from paho.mqtt.client import MQTTMessage

from edge_agent.link.window import Window

MAX_PACKET_BYTES = 8 << 20
"""Told to a broker of MQTT 5, which then sends nothing larger."""

RECEIVE_MAXIMUM = 20
"""So many unaccepted messages a broker may have here; MQTT 5 tells it, in MQTT 3.1.1 it has limits of its own."""

_log = logging.getLogger(__name__)


class Received(NamedTuple):
    """A message from the broker.

    Attributes:
        response_topic, correlation: of a request in MQTT 5; empty where there are none.
        token: what `Link.accept` wants.
    """

    topic: str
    payload: bytes
    response_topic: str
    correlation: bytes
    token: int


class Inbox:
    """The messages that were not accepted yet. What was not when its connection ended comes again."""

    def __init__(self) -> None:
        self._tokens = itertools.count(1)
        self._unaccepted: dict[int, tuple[Window, int, int]] = {}
        self._complained = ""

    def take(self, window: Window, message: MQTTMessage) -> Received | None:
        """Register a message; None if it is not to be looked at."""
        if len(self._unaccepted) >= RECEIVE_MAXIMUM:
            # Left unaccepted, so a session has it again after the next connection.
            self._complain(f"the broker sends more than {RECEIVE_MAXIMUM} messages at once: some are left")
            return None
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        if not topic or len(message.payload) > MAX_PACKET_BYTES:
            what = f"larger than {MAX_PACKET_BYTES} bytes" if topic else "whose topic is not UTF-8"
            self._complain(f"a message {what} is refused")
            window.accept(message.mid, message.qos)
            return None
        token = next(self._tokens)
        self._unaccepted[token] = (window, message.mid, message.qos)
        told = message.properties
        response_topic, correlation = getattr(told, "ResponseTopic", ""), getattr(told, "CorrelationData", b"")
        return Received(topic, bytes(message.payload), response_topic, correlation, token)

    def accept(self, token: int) -> None:
        """Let the broker forget a message; nothing if its connection is gone."""
        if token in self._unaccepted:
            window, mid, qos = self._unaccepted.pop(token)
            window.accept(mid, qos)

    def forget(self) -> None:
        """The connection is gone, and with it what was not accepted."""
        self._unaccepted.clear()
        self._complained = ""

    def _complain(self, text: str) -> None:
        """Once, and not for every message."""
        if text != self._complained:
            _log.warning(text)
            self._complained = text
