"""`godwit ca renew`: answer devices that ask over MQTT for their next certificate.

A request waits at the broker, retained, until it is answered, and so does the answer: neither side has to be there
when the other one is. The broker is not believed: each request is proved by its device's present certificate.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from paho.mqtt.client import MQTTMessageInfo

from firmware_profiles import topics, wire
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import InputError, Problem, UnavailableError
from fleet.authority import requests
from fleet.authority.authority import Authority
from fleet.authority.certificates import Signer
from fleet.observed import Connection
from fleet.subscriber import Subscriber

_STEP_S = 0.2
_QUIET_S = 3.0
"""With `once`, as long after the last request none waits any more."""
_PATIENCE_S = 30.0


class Answered(msgspec.Struct, frozen=True):
    """What became of one request.

    Attributes:
        certificate: file; empty where it was refused.
        refused: why; empty where it was not.
    """

    device: str
    certificate: str = ""
    refused: str = ""


class Renewer(NamedTuple):
    """An authority whose key is open."""

    authority: Authority
    signer: Signer

    def answer(self, topic_text: str, payload: bytes) -> tuple[Answered, bytes] | None:
        """What becomes of a message, and what the device gets; None where it is no request."""
        topic = topics.parse_topic(topic_text)
        if topic is None or topic.kind != "identity" or topic.model or not payload:
            return None
        try:
            asked = wire.decode("identity", payload)
            assert isinstance(asked, wire.CertificateRequest), "its topic says so"
            path = requests.answer(self.authority, self.signer, asked, topic.device, first_too=False)
        except (ValueError, InputError) as error:  # msgspec's errors are ValueErrors
            return Answered(topic.device, refused=str(error)), b""
        return Answered(topic.device, str(path)), wire.encode(wire.Certificate(path.read_text("ascii")))


def renew(renewer: Renewer, broker: Address, once: bool, tell: Callable[[Answered | Connection], None]) -> None:
    """Answer requests until Ctrl-C; with `once`, those that wait.

    Raises:
        UnavailableError: the broker refuses us, or with `once` is not reached.
    """
    _Answering(renewer, broker, tell).run(once)


class _Answering:
    def __init__(self, renewer: Renewer, broker: Address, tell: Callable[[Answered | Connection], None]) -> None:
        self._renewer = renewer
        self._tell = tell
        self._where = f"broker {broker.host}:{broker.port}"
        self._subscriber = Subscriber(broker, topics.topic("+", "identity"), self._take, self._connected)
        self._seen: dict[str, bytes] = {}
        self._answers: dict[str, bytes] = {}
        self._under_way: list[MQTTMessageInfo] = []
        self._heard_s = time.monotonic()

    def run(self, once: bool) -> None:
        until_s = time.monotonic() + _PATIENCE_S
        try:
            while not (once and self._is_done()):
                self._subscriber.step(_STEP_S)
                if once and not self._subscriber.ever_subscribed and time.monotonic() > until_s:
                    step = "start the broker, or check its address"
                    raise UnavailableError(Problem(self._where, "a broker that answers", "none", step))
        finally:
            self._subscriber.close()

    def _is_done(self) -> bool:
        quiet = time.monotonic() > self._heard_s + _QUIET_S
        return self._subscriber.ever_subscribed and quiet and all(each.is_published() for each in self._under_way)

    def _connected(self, change: Connection) -> None:
        self._heard_s = time.monotonic()
        self._tell(change)
        if change.state == "subscribed":  # what was on its way is lost with the connection
            self._under_way = [self._subscriber.retain(topic, payload) for topic, payload in self._answers.items()]

    def _take(self, topic: str, payload: bytes) -> None:
        self._heard_s = time.monotonic()
        if self._seen.get(topic) == payload:
            return
        self._seen[topic] = payload
        if found := self._renewer.answer(topic, payload):
            answered, certificate = found
            self._tell(answered)
            if certificate:
                there = topics.topic(answered.device, "certificate")
                self._answers[there] = certificate
                self._under_way.append(self._subscriber.retain(there, certificate))
