"""What the broker brings: requests for a model, and messages for MQTT sources.

Each is accepted (PUBACK) once its answer is said or safe; the broker brings what was not again. A request
that two workers died of is answered with an error: a third would die of it too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import msgspec
from paho.mqtt.client import topic_matches_sub

from edge_agent.config import Config
from edge_agent.hosting import Host
from edge_agent.inference import InferReply, InferRequest
from edge_agent.link.mqtt import Link, Received
from edge_agent.source_config import MqttTopic
from firmware_profiles import topics, wire
from firmware_profiles.results import Result
from firmware_profiles.topics import Topic
from firmware_profiles.wire import Reply

_DEATHS = 2
_UNAVAILABLE = 503


class _Said(msgspec.Struct):
    """What a worker's reply to a request holds that goes on to whoever asked."""

    version: str = ""
    latency_ms: float | None = None
    result: Result | None = None
    error: str = ""


class _Waiting(msgspec.Struct, eq=False):
    """A request that is not answered yet."""

    message: Received
    topic: Topic
    asked: bool = False
    deaths: int = 0


class Requested:
    """Hands to the host what the broker brings, and to the broker what is answered."""

    def __init__(self, config: Config, host: Host, link: Link) -> None:
        self._device = config.device
        self._pools = config.broker.pools
        self._certificate = [topics.topic(config.device, "certificate")] * config.broker.names_identity
        self._host = host
        self._link = link
        self._waiting: list[_Waiting] = []
        self._decoder = msgspec.json.Decoder(_Said)
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Receive what `config` declares from now on."""
        self._sources = [source for source in config.source if isinstance(source, MqttTopic)]
        requests = topics.request_filters(
            self._device, self._pools, [model.name for model in self._host.deployment.manifest.models]
        )
        self._link.subscribe([*requests, *self._certificate, *(source.topic for source in self._sources)])

    def received(self, message: Received) -> None:
        """A message of the broker's."""
        topic = topics.parse_topic(message.topic)
        if topic is not None and topic.kind == "infer":
            waiting = _Waiting(message, topic)
            self._waiting.append(waiting)
            self._ask(waiting)
            return
        takers = [source.name for source in self._sources if topic_matches_sub(source.topic, message.topic)]
        accept = _after(len(takers), partial(self._link.accept, message.token))
        for name in takers:
            self._host.bring(name, message.payload, accept)

    def ready(self) -> None:
        """A worker is ready: ask again what the last one did not answer."""
        for waiting in list(self._waiting):
            if not waiting.asked:
                self._ask(waiting)

    def forget(self) -> None:
        """The connection is gone: what was not accepted comes again."""
        self._waiting.clear()

    def _ask(self, waiting: _Waiting) -> None:
        waiting.asked = True
        request = InferRequest(waiting.topic.model, "file", waiting.message.payload)
        self._host.ask(request, partial(self._answered, waiting, self._host.state == "running"))

    def _answered(self, waiting: _Waiting, in_work: bool, reply: InferReply) -> None:
        if waiting not in self._waiting:
            return
        if reply.status == _UNAVAILABLE and self._host.state != "refused":
            waiting.asked = False
            waiting.deaths += in_work
            if waiting.deaths < _DEATHS:
                return
        said = self._decoder.decode(reply.body)
        answer = Reply(
            device=self._device,
            model=waiting.topic.model,
            version=said.version or self._host.deployment.manifest.version,
            latency_ms=said.latency_ms,
            result=said.result,
            error=said.error,
        )
        topic = topics.reply_topic(waiting.topic, waiting.message.response_topic)
        self._link.publish(topic, wire.encode(answer), waiting.message.correlation)
        self._waiting.remove(waiting)
        self._link.accept(waiting.message.token)


def _after(count: int, callback: Callable[[], None]) -> Callable[[], None]:
    """What calls `callback` when it was called `count` times; at once where nothing is to be waited for."""
    left = count

    def one() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            callback()

    if count == 0:
        callback()
    return one
