"""The subscriber of the storm: keeps what it needs to judge, and forgets nothing while the broker is away."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware_profiles import topics, wire
from firmware_profiles.wire import CLASSES, Header

_TIMEOUT_S = 30.0


class Verdict(NamedTuple):
    """What was seen.

    Attributes:
        lost: inputs without a message, and numbers that are missing in a class.
        broken: first arrivals of a message after one with a higher number of its class.
        duplicates: arrivals of a message that had come already.
        answered_twice: inputs that two different messages answer.
        wrong_times: messages whose clock was trusted, and whose time is not their uptime's.
    """

    lost: int
    broken: int
    duplicates: int
    answered_twice: int
    wrong_times: int


class Witness:
    """Use as a context manager.

    Attributes:
        events: how often each event came.
        last: the highest position of the replay that was answered.
        arrivals: of messages, repeats included.
    """

    def __init__(self, port: int, booted_s: float) -> None:
        self.events: dict[str, int] = {}
        self.last = -1
        self.arrivals = 0
        self._booted_s = booted_s
        self._seen: dict[tuple[str, str], set[int]] = {}
        self._highest: dict[tuple[str, str], int] = {}
        self._inputs: dict[tuple[str, int | str], int] = {}
        self._broken = self._duplicates = self._answered_twice = self._wrong_times = 0
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "storm-witness", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topics.subscription(), qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]  # a float will do
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)

    def __enter__(self) -> Witness:
        self._client.loop_start()
        assert self._subscribed.wait(_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def answered(self, source: str, position: int | str) -> bool:
        """Whether that input has its message."""
        return (source, position) in self._inputs

    def verdict(self, emitted: list[tuple[str, int | str]]) -> Verdict:
        """Judge, when everything has come."""
        lost = sum(not self.answered(*each) for each in emitted)
        lost += sum(max(seen) - len(seen) for seen in self._seen.values())
        return Verdict(lost, self._broken, self._duplicates, self._answered_twice, self._wrong_times)

    def _on_message(self, _client: Client, _: Any, message: Any) -> None:
        topic = topics.parse_topic(message.topic)
        assert topic is not None
        if topic.kind not in CLASSES:
            return
        self.arrivals += 1
        found = wire.decode(topic.kind, message.payload)
        assert isinstance(found, Header)
        stream = (topic.kind, found.spool)
        seen = self._seen.setdefault(stream, set())
        if found.seq in seen:
            self._duplicates += 1
            return
        seen.add(found.seq)
        self._broken += found.seq < self._highest.get(stream, 0)
        self._highest[stream] = max(found.seq, self._highest.get(stream, 0))
        time_s = self._booted_s + found.uptime_ms / 1000
        self._wrong_times += found.clock_trusted and abs(found.time.timestamp() - time_s) > 1
        if isinstance(found, wire.Event):
            self.events[found.name] = self.events.get(found.name, 0) + 1
        answers = getattr(found, "input", None)
        if answers is not None:
            key = (answers.source, answers.position)
            self._answered_twice += self._inputs.setdefault(key, found.seq) != found.seq
            if isinstance(answers.position, int):
                self.last = max(self.last, answers.position)
