"""Brokers without MQTT 5: one that refuses it, one that closes the connection, and amqtt, which is silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import Client, ConnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion

from firmware_profiles.errors import UnavailableError
from tests.edge_agent.support import Device, Subscriber, null_bundle, wait_until
from tests.edge_agent.test_agent import data
from tests.fleet.test_watch import TOPIC, prediction, publishing, send, watching
from tests.relay import OLD_BROKERS, Relay, relay
from tools.amqtt import SecondBest
from tools.broker import Broker


@pytest.fixture(params=list(OLD_BROKERS))
def old(request: pytest.FixtureRequest, broker: Broker) -> Iterator[Relay]:
    """A way to mosquitto which knows MQTT 3.1.1 only."""
    with relay(broker, OLD_BROKERS[request.param]) as relayed:
        yield relayed


@pytest.fixture
def amqtt(tmp_path: Path) -> Iterator[Broker]:
    try:
        broker = SecondBest(tmp_path)
    except UnavailableError as error:
        pytest.skip(f"build/amqtt-venv cannot be made: {error}")
    with broker:
        yield broker


def test_the_agent_loses_nothing_with_an_old_broker(tmp_path: Path, broker: Broker, old: Relay) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), old.url)
    device.replay(data(tmp_path, 600), rate=300)
    with Subscriber(broker.port) as subscriber:
        with device.running():
            wait_until(lambda: len(subscriber.of("prediction")) >= 100, "first predictions")
            broker.stop()
            wait_until(lambda: device.status()["predictions"] == 600, "answers without a broker")
            broker.start()
            wait_until(lambda: len({p.input.position for p in subscriber.of("prediction")}) == 600, "the rest")
            wait_until(lambda: device.status()["spool_messages"] == 0, "an empty spool")
        wait_until(lambda: subscriber.of("status")[-1].state == "stopped", "the last status")
    assert old.asked[:3] == [5, 4, 4], "what was learnt is tried first"


def test_a_proxy_whose_broker_is_away_is_not_taken_for_an_old_broker(tmp_path: Path, broker: Broker) -> None:
    broker.stop()
    with relay(broker, None) as proxy:
        device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), proxy.url)
        with device.running(), watching(proxy.url) as watch:
            watch.wait_for("connection", state="unreachable")
            wait_until(lambda: len(proxy.asked) >= 8, "attempts")
            broker.start()
            assert watch.wait_for("connection", state="subscribed")["reason"] == ""
            wait_until(lambda: device.status()["connected"], "the agent")
    assert set(proxy.asked[-2:]) == {5}


def test_watch_keeps_its_session_and_leaves_none_behind(broker: Broker, old: Relay) -> None:
    with watching(old.url, "--count", "2") as watch, publishing(broker) as client:
        told = watch.wait_for("connection", state="subscribed")["reason"]
        assert told == "by MQTT 3.1.1, since the broker does not answer MQTT 5"
        send(client, TOPIC, prediction(1))
        watch.wait_for("prediction")
        assert session_of(broker, old.client_ids[0]), "the test would prove nothing"  # and it takes the client's place
        send(client, TOPIC, prediction(2))
        assert watch.wait_for("connection", state="subscribed")["reason"] == ""
        assert watch.wait_for("prediction", repeated=False)["message"]["seq"] == 2
        assert watch.wait_for("summary")["missing"] == 0
        assert watch.process.wait() == 0
    assert len(set(old.client_ids)) == 1
    assert not session_of(broker, old.client_ids[0])


def session_of(broker: Broker, client_id: str) -> bool:
    """Whether the broker keeps a session of that name; a client that has it loses its connection."""
    found: list[bool] = []

    def note(_client: Client, _data: object, flags: ConnectFlags, *_: object) -> None:
        found.append(flags.session_present)

    client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=False, protocol=MQTTProtocolVersion.MQTTv311)
    client.on_connect = note
    client.connect("127.0.0.1", broker.port)
    while not found and client.loop() == MQTTErrorCode.MQTT_ERR_SUCCESS:
        pass
    client.disconnect()
    return found[0]


def test_agent_and_watch_work_with_the_second_best_broker(tmp_path: Path, amqtt: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), amqtt.url)
    device.replay(data(tmp_path, 50))
    with watching(amqtt.url, "--count", "50") as watch:
        watch.wait_for(
            "connection", state="subscribed", reason="by MQTT 3.1.1, since the broker does not answer MQTT 5"
        )
        with device.running():
            seen = [watch.wait_for("prediction")["message"]["input"]["position"] for _ in range(50)]
            wait_until(lambda: device.status()["spool_messages"] == 0, "an empty spool")
        assert watch.wait_for("summary")["missing"] == 0
    assert seen == list(range(50))
