"""Payloads for MQTT sources, and when the worker is done with each."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from edge_agent.flow.mqtt_topic import MqttTopicSource


class _Taken(NamedTuple):
    number: int
    last_position: int


class Inbox:
    """Feeds one MQTT source. It is done with a payload when all items that came of it are answered."""

    def __init__(self, source: MqttTopicSource) -> None:
        self._source = source
        self._taken: deque[_Taken] = deque()
        self._given = self._answered = -1

    def take(self, number: int, body: bytes) -> None:
        """Take one payload."""
        positions = self._source.feed(body)
        self._given = max(positions, default=self._given)
        self._taken.append(_Taken(number, self._given))

    def answered(self, position: int) -> None:
        """The item at `position` is answered."""
        self._answered = position

    def done(self) -> list[int]:
        """Numbers of the payloads that are done since the last call, in order."""
        numbers = []
        while self._taken and self._taken[0].last_position <= self._answered:
            numbers.append(self._taken.popleft().number)
        return numbers
