"""The link and a real mosquitto: what is retained, what is in flight, and what a session keeps."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.link.mqtt import Retained
from edge_agent.link.remembered import Remembered
from firmware_profiles import topics
from firmware_profiles.broker_access import Files
from tests.edge_agent.links import asking, running, until
from tests.edge_agent.support import Device, null_bundle, wait_until
from tests.relay import OLD_BROKERS, coalescing, relay
from tests.test_mqtt_3_1_1 import session_of
from tools.broker import Broker
from tools.certificates import Authority

OWN = topics.request_filters("door-7", [], [])
REQUEST = topics.topic("door-7", "infer", "digits")


class Narrow(Broker):
    """Takes two messages at a time (MQTT 5's Receive Maximum)."""

    def _configuration(self, folder: Path) -> str:
        return super()._configuration(folder) + "max_inflight_messages 2\n"


@pytest.fixture
def narrow(tmp_path: Path) -> Iterator[Broker]:
    with Narrow(tmp_path) as broker:
        yield broker


def test_what_the_broker_forgot_is_said_again(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    with device.running():
        wait_until(lambda: bool(device.status().get("models")), "the device is up")
        wait_until(lambda: device.status()["connected"], "connected")
        broker.stop()
        (tmp_path / "broker" / "mosquitto.db").unlink()
        broker.start()
        wait_until(lambda: device.status()["connected"], "connected again")
        with asking(broker.port) as operator:
            operator.subscribe("godwit/d1/+")
            wait_until(lambda: len(operator.heard) >= 2, "what is retained")
    said = {message.topic: message.payload for message in operator.heard if message.retain or message.payload}
    assert b'"online"' in said["godwit/d1/status"]
    assert b'"null"' in said["godwit/d1/info"]


def test_the_broker_never_has_more_in_flight_than_it_allows(narrow: Broker) -> None:
    """Also of what is said outside the spool: mosquitto cuts the connection of who exceeds it."""

    async def scenario() -> None:
        async with running(narrow.url, "door-7") as device:
            await until(lambda: device.ups == 1, "connected")
            for number in range(10):
                device.link.retain(Retained(f"godwit/door-7/{number}", b"x"))
            assert device.link.room == 0
            offered = 0
            while offered < 50:
                await until(lambda: device.link.room > 0, "room")
                offered += 1
                device.link.offer(offered, "godwit/door-7/event", b"{}")
            await until(lambda: device.acknowledged == list(range(1, 51)), "all of them, in order")
            assert device.ups == 1

    with asking(narrow.port) as operator:
        operator.subscribe("godwit/#")
        asyncio.run(scenario())
        wait_until(lambda: len(operator.heard) == 60, "everything")


@pytest.mark.parametrize("old", list(OLD_BROKERS))
def test_in_mqtt_3_1_1_a_session_is_kept_only_for_requests(broker: Broker, old: str) -> None:
    async def once(url: str, filters: list[str]) -> None:
        async with running(url, "door-7", filters) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")

    async def again(url: str) -> None:
        async with running(url, "door-7", OWN) as device:
            await until(lambda: device.payloads() == [b"meanwhile"], "what came meanwhile")

    with relay(broker, OLD_BROKERS[old]) as relayed, asking(broker.port) as asker:
        asyncio.run(once(relayed.url, OWN))
        asker.say(REQUEST, b"meanwhile")
        asyncio.run(again(relayed.url))
        assert session_of(broker, "godwit-door-7")
        asyncio.run(once(relayed.url, []))
        assert not session_of(broker, "godwit-door-7")


def test_a_tls_record_of_many_messages_is_read_to_its_end(tmp_path: Path, broker: Broker) -> None:
    async def scenario(url: str) -> None:
        async with running(url, "door-7", OWN, Files(authority.certificate)) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
            with relayed.held():
                for number in range(15):
                    await asyncio.to_thread(asker.say, REQUEST, b"%d" % number)
            await until(lambda: len(device.received) == 15, "all of the record")

    authority = Authority(tmp_path)
    identity = authority.issue("relay", "127.0.0.1")
    with asking(broker.port) as asker, coalescing(broker, identity) as relayed:
        asyncio.run(scenario(relayed.url))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'["a", 1]', b"[" * 100_000, b'["a", "b"]'], ids=range(6))
def test_words_are_remembered_and_a_damaged_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words").write_bytes(content)
    kept = Remembered(tmp_path / "words")
    assert kept.words == ({"a", "b"} if content.endswith(b'"b"]') else frozenset())
    kept.replace(["c"])
    assert Remembered(tmp_path / "words").words == {"c"}


NO_TABLES = """
import sys
from paho.mqtt.enums import MQTTProtocolVersion
from edge_agent.link.dialling import Dialler, Retained
from firmware_profiles.broker_url import parse
dialler = Dialler(parse(sys.argv[1], "test"), "door-7", Retained("a/b", b"{}"), lambda: True)
client = dialler.new_client(MQTTProtocolVersion.MQTTv5, keep_session=False)
dialler.connect(client, keep_session=False)
print(client.socket() is not None, "encodings.idna" in sys.modules)
"""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_plain_connection_loads_no_tables_of_international_names(broker: Broker, host: str) -> None:
    """Python resolves a name given as str by way of them; they are a tenth of what the supervisor may weigh."""
    url = f"mqtt://{host}:{broker.port}"
    done = subprocess.run([sys.executable, "-c", NO_TABLES, url], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]
