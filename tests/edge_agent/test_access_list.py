"""`deploy/mosquitto.acl` with a real mosquitto: a device is its certificate, and has its own topics only."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage

from firmware_profiles import topics
from firmware_profiles.broker_access import Files
from tests.edge_agent.links import Asker, asking, running, until
from tests.edge_agent.support import wait_until
from tools.tls_broker import TlsBroker

PUBLISHED = [
    "godwit/door-7/status",
    "godwit/door-7/info",
    "godwit/door-7/event",
    "godwit/door-7/telemetry",
    "godwit/door-7/prediction/digits",
    "godwit/door-7/reply/digits/1",
    "godwit/door-7/identity",
    "godwit/pool/line-3/reply/digits",
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[TlsBroker]:
    with TlsBroker(tmp_path) as started:
        yield started


@pytest.fixture
def operator(broker: TlsBroker) -> Iterator[Asker]:
    """Listens to everything."""
    with asking(broker.port, broker, broker.authority.issue("operator")) as client:
        client.subscribe("godwit/#")
        yield client


def files(broker: TlsBroker, name: str) -> Files:
    return Files(broker.authority.certificate, *broker.authority.issue(name))


def said_on(heard: list[MQTTMessage]) -> list[str]:
    return [message.topic for message in heard]


def test_a_device_says_only_what_is_its_own(broker: TlsBroker, operator: Asker) -> None:
    """What may not be said, mosquitto refuses and drops; some versions drop the connection too, so each gets one."""
    stranger = broker.authority.issue("door-8")
    for topic in [*PUBLISHED, "godwit/door-8/event"]:
        with asking(broker.port, broker, stranger) as device:
            device.say(topic, b"?")
    wait_until(lambda: "godwit/door-8/event" in said_on(operator.heard), "the last")
    assert said_on(operator.heard) == ["godwit/pool/line-3/reply/digits", "godwit/door-8/event"]
    operator.heard.clear()
    with asking(broker.port, broker, broker.authority.issue("door-7")) as device:
        for topic in PUBLISHED:
            device.say(topic, b"!")
    wait_until(lambda: said_on(operator.heard) == PUBLISHED, "all of door-7's")


def test_a_device_hears_only_what_is_for_it(broker: TlsBroker, operator: Asker) -> None:
    async def scenario() -> None:
        curious = ["#", "godwit/door-7/infer/#", "$share/spies/godwit/door-7/infer/#"]
        async with running(broker.url, "door-8", curious, files(broker, "door-8")) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-8/event")
            for kind in ("infer/digits", "event", "cmd", "certificate"):
                await asyncio.to_thread(operator.say, f"godwit/door-7/{kind}", b"?")
            own = {f"godwit/door-8/{kind}" for kind in ("infer/digits", "cmd", "certificate")}
            for topic in own:
                await asyncio.to_thread(operator.say, topic, b"?")
            await until(lambda: len(device.received) >= len(own), "what is for it")
            assert {message.topic for message in device.received} == own

    asyncio.run(scenario())


def test_a_pool_works_under_the_access_list(broker: TlsBroker, operator: Asker) -> None:
    async def scenario() -> None:
        filters = topics.request_filters("door-7", ["line-3"], ["digits"])
        async with running(broker.url, "door-7", filters, files(broker, "door-7")) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
            await asyncio.to_thread(operator.say, "godwit/pool/line-3/infer/digits/a", b"?")
            await until(lambda: len(device.received) == 1, "the request")
            device.link.publish("godwit/pool/line-3/reply/digits/a", b"42")
            await until(lambda: "godwit/pool/line-3/reply/digits/a" in said_on(operator.heard), "the answer")

    asyncio.run(scenario())


def test_the_last_will_is_among_what_a_device_may_say(broker: TlsBroker, operator: Asker) -> None:
    shown = broker.authority.issue("door-7")
    with asking(broker.port, broker, shown, will="godwit/door-7/status") as device:
        device.client.socket().shutdown(socket.SHUT_RDWR)
        wait_until(lambda: "godwit/door-7/status" in said_on(operator.heard), "the last will")
