"""What the worker was asked and has not answered yet: requests that somebody waits for, messages for MQTT sources."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from edge_agent.channel import Payload, Replied
from edge_agent.inference import InferReply, refusal

Answered = Callable[[InferReply], None]


class _Held(NamedTuple):
    payload: Payload
    accept: Callable[[], None]


class Requests:
    """Requests by number. A worker that dies takes the answers with it: whoever waits is told so."""

    def __init__(self) -> None:
        self._waiting: dict[int, Answered] = {}
        self._last = 0

    def add(self, answered: Answered) -> int:
        """The number of a new request; `answered` is called once."""
        self._last += 1
        self._waiting[self._last] = answered
        return self._last

    def done(self, replied: Replied) -> None:
        """Hand over the answer."""
        self._waiting.pop(replied.number)(replied.reply)

    def refuse_all(self, reason: str) -> None:
        """Tell everybody who waits that there will be no answer."""
        waiting, self._waiting = self._waiting, {}
        for answered in waiting.values():
            answered(refusal(503, reason))


class Payloads:
    """Messages for MQTT sources. A new worker gets again what the last one was not done with."""

    def __init__(self) -> None:
        self._held: dict[int, _Held] = {}
        self._last = 0

    def add(self, source: str, body: bytes, accept: Callable[[], None]) -> Payload:
        """A new message; `accept` is to be called when it need not come again."""
        self._last += 1
        payload = Payload(self._last, source, body)
        self._held[self._last] = _Held(payload, accept)
        return payload

    def waiting(self) -> Iterator[Payload]:
        """Everything that the worker is not done with, in order."""
        return (held.payload for held in self._held.values())

    def done(self, number: int) -> Callable[[], None]:
        """What is to be called when everything that came of it is safe."""
        return self._held.pop(number).accept

    def give_up(self, source: str) -> Callable[[], None] | None:
        """What is to be called once the oldest message for `source` is given up; None where none waits."""
        number = next((number for number, held in self._held.items() if held.payload.source == source), None)
        return None if number is None else self.done(number)
