"""Links in an event loop, and a client that asks and listens, for the tests of the link."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.link.mqtt import Hooks, Link, Received, Retained
from firmware_profiles import topics
from firmware_profiles.broker_access import Files, read
from tests.edge_agent.support import TIMEOUT_S
from tools.certificates import Identity
from tools.tls_broker import TlsBroker


class Party:
    """A device as far as the link goes: it notes what it is told, and answers nothing by itself."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.ups = 0
        self.unchecked = 0
        self.acknowledged: list[int] = []
        self.received: list[Received] = []

    def up(self) -> None:
        self.ups += 1

    def dates_unchecked(self) -> None:
        self.unchecked += 1

    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.received]

    async def offer(self, message_id: int, topic: str, payload: bytes = b"{}") -> None:
        """Publish, and wait until the broker has it."""
        self.link.offer(message_id, topic, payload)
        await until(lambda: message_id in self.acknowledged, f"PUBACK of {message_id}")


@asynccontextmanager
async def running(
    url: str, name: str, filters: Iterable[str] = (), files: Files | None = None, **options: Any
) -> AsyncIterator[Party]:
    """A link that is up, or tries to be; without a word at its end, as if its power were cut."""
    will = Retained(topics.topic(name, "status"), b'{"state":"offline"}')
    party = Party(Link(read(url, "test", files or Files()), f"godwit-{name}", will, **options))
    party.link.subscribe(filters)
    hooks = Hooks(party.up, party.acknowledged.append, party.received.append, party.dates_unchecked)
    task = asyncio.create_task(party.link.run(hooks))
    try:
        yield party
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool], what: str) -> None:
    """Let the loop run until it holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + TIMEOUT_S
    while not holds():
        assert loop.time() < deadline, f"{what}: not within {TIMEOUT_S:g} s"
        await asyncio.sleep(0.01)


class Asker:
    """A client of MQTT 5 in a thread of its own."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[MQTTMessage] = []
        client.on_message = lambda _client, _data, message: self.heard.append(message)

    def subscribe(self, topic: str) -> None:
        subscribed = threading.Event()
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.subscribe(topic, qos=1)
        assert subscribed.wait(TIMEOUT_S)

    def say(self, topic: str, payload: bytes, *, retain: bool = False, **told: Any) -> None:
        """Publish with properties of MQTT 5, and wait until the broker has it."""
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        for name, value in told.items():
            setattr(properties, name, value)
        self.client.publish(topic, payload, 1, retain, properties).wait_for_publish(TIMEOUT_S)


@contextmanager
def asking(
    port: int, broker: TlsBroker | None = None, identity: Identity | None = None, will: str = ""
) -> Iterator[Asker]:
    """A connected client; with `identity` under TLS; with a last will on the topic `will`."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False)
    if broker and identity:
        client.tls_set(str(broker.authority.certificate), str(identity.certificate), str(identity.key))
    if will:
        client.will_set(will, b"gone", 1)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert connected.wait(TIMEOUT_S)
    try:
        yield Asker(client)
    finally:
        client.disconnect()
        client.loop_stop()
