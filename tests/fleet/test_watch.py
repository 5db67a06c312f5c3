"""`godwit watch` as a person runs it: a process, a real broker, and a device that only publishes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from firmware_profiles import results, topics, wire
from tools import processes, unpacked
from tools.broker import Broker, free_port

WAIT_S = 20  # a bound for a hung test, not a measurement


class Watch:
    """A running `godwit watch --json`."""

    def __init__(self, url: str, *options: str) -> None:
        line = [sys.executable, "-m", "godwit", "watch", "--broker", url, "--json", *options]
        self.process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait_for(self, kind: str, **fields: object) -> dict[str, Any]:
        assert self.process.stdout
        for line in self.process.stdout:
            document = json.loads(line)
            if document["kind"] == kind and all(document[key] == value for key, value in fields.items()):
                return dict(document)
        assert self.process.stderr
        raise AssertionError(f"it ended without {kind} {fields}: {self.process.stderr.read()}")

    def stop(self, by: int = signal.SIGTERM) -> None:
        if self.process.poll() is None:
            self.process.send_signal(by)
        self.process.communicate(timeout=WAIT_S)


@contextmanager
def watching(url: str, *options: str) -> Iterator[Watch]:
    watch = Watch(url, "--timeout", str(WAIT_S), *options)
    try:
        yield watch
    finally:
        watch.stop()


@contextmanager
def publishing(broker: Broker) -> Iterator[Client]:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(client: Client, topic: str, payload: bytes, *, retain: bool = False) -> None:
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(WAIT_S)


def prediction(seq: int, spool: str = "5f1c09ab") -> bytes:
    return wire.encode(
        wire.Prediction(
            seq=seq,
            spool=spool,
            boot="e83d1f77",
            uptime_ms=seq,
            time=datetime(2026, 11, 24, tzinfo=timezone.utc),
            clock_trusted=True,
            model="digits",
            version="1.0.0",
            input=results.Input("replay", seq),
            latency_ms=0.3,
            result=results.Classification([results.ClassScore(7, "seven\x1b[2J", 0.98)]),
        )
    )


TOPIC = topics.topic("door-7", "prediction", "digits")


def test_repeats_and_gaps_are_told(broker: Broker) -> None:
    with watching(broker.url, "--count", "3") as watch:
        watch.wait_for("connection", state="subscribed")
        with publishing(broker) as client:
            for seq in (5, 5, 8, 9):
                send(client, TOPIC, prediction(seq))
        assert watch.wait_for("prediction")["message"]["seq"] == 5
        assert watch.wait_for("prediction")["repeated"] is True
        assert watch.wait_for("prediction")["missing"] == 2
        summary = watch.wait_for("summary")
        assert (summary["received"], summary["duplicates"], summary["missing"]) == (3, 1, 2)
        assert watch.process.wait(WAIT_S) == 0


def test_what_is_not_ours_is_counted_and_harmless(broker: Broker) -> None:
    with watching(broker.url, "--count", "1") as watch:
        watch.wait_for("connection", state="subscribed")
        with publishing(broker) as client:
            send(client, TOPIC, b"{}")
            send(client, TOPIC, b"\xff\x00")
            send(client, "godwit/door-7/event", b"[" * 100_000)
            send(client, "godwit/door-7/other", b"now")
            send(client, "godwit/a/b/c/d/e", b"deep")
            send(client, TOPIC, prediction(1))
        summary = watch.wait_for("summary")
        assert (summary["predictions"], summary["malformed"], summary["foreign"]) == (1, 3, 2)


def test_nothing_is_lost_while_the_broker_is_away(broker: Broker) -> None:
    with watching(broker.url, "--count", "2") as watch:
        watch.wait_for("connection", state="subscribed")
        with publishing(broker) as client:
            send(client, TOPIC, prediction(1))
        watch.wait_for("prediction")
        broker.stop()
        watch.wait_for("connection", state="lost")
        broker.start()
        with publishing(broker) as client:  # likely before the watcher is back: its session waits for it
            send(client, TOPIC, prediction(2))
        watch.wait_for("connection", state="subscribed")
        assert watch.wait_for("prediction")["message"]["seq"] == 2
        assert watch.wait_for("summary")["missing"] == 0


def test_only_the_named_device(broker: Broker) -> None:
    with watching(broker.url, "--device", "door-7", "--count", "1") as watch:
        watch.wait_for("connection", state="subscribed")
        with publishing(broker) as client:
            send(client, topics.topic("door-8", "prediction", "digits"), prediction(1))
            send(client, TOPIC, prediction(2))
        assert watch.wait_for("prediction")["device"] == "door-7"


def test_sigterm_ends_it_with_a_summary(broker: Broker) -> None:
    with watching(broker.url) as watch:
        watch.wait_for("connection", state="subscribed")
        watch.process.send_signal(signal.SIGTERM)
        watch.wait_for("summary")
        assert watch.process.wait(WAIT_S) == 130


def test_an_unreachable_broker_is_told_and_tried_until_the_timeout() -> None:
    watch = Watch(f"mqtt://127.0.0.1:{free_port()}", "--timeout", "0.5")
    assert watch.wait_for("connection", state="unreachable")["reason"] == "connection refused"
    _, stderr = watch.process.communicate(timeout=WAIT_S)
    assert watch.process.returncode == 4
    assert "a broker of MQTT 5 or 3.1.1, found none within 0.5 s" in stderr


def test_a_broker_that_refuses_is_not_tried_again(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous false\n", encoding="utf-8")
    with (tmp_path / "log").open("wb") as log:
        strict = processes.start([*unpacked.command("mosquitto"), "-c", config], log, log)
    try:
        watch = Watch(f"mqtt://door:secret@127.0.0.1:{port}", "--timeout", str(WAIT_S))
        _, stderr = watch.process.communicate(timeout=WAIT_S)
    finally:
        processes.stop(strict)
    assert watch.process.returncode == 4
    assert "expected a broker that admits us, found not authorized; check the user" in stderr
    assert "secret" not in stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--broker", "http://h"], "--broker: expected mqtt[s]://[user:password@]host[:port], found http://h"),
        (["--broker", "mqtt://u:secret@h:99999"], "--broker: expected mqtt[s]://"),
        (["--broker", "mqtt://h", "--device", "a/#"], "--device: expected the name of one device, found 'a/#'"),
        (["--broker", "mqtt://h", "--count", "0"], "--count: expected an admitted value, found 0 is not"),
        ([], "godwit watch: expected --broker, found nothing"),
    ],
)
def test_wrong_arguments_are_one_line(options: list[str], told: str) -> None:
    line = [sys.executable, "-m", "godwit", "watch", *options]
    ended = subprocess.run(line, capture_output=True, text=True, check=False, timeout=WAIT_S)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "secret" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""


def test_people_see_no_escape_sequences(broker: Broker) -> None:
    line = [sys.executable, "-m", "godwit", "watch", "--broker", broker.url, "--count", "1", "--timeout", str(WAIT_S)]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert "connected" in process.stdout.readline()
        with publishing(broker) as client:
            send(client, TOPIC, prediction(1))
        text = process.stdout.read()
        assert "door-7  prediction  digits replay/1  seven?[2J 0.98  (0.30 ms)" in text
        assert "1 messages received (1 predictions), 0 repeats, 0 missing" in text
    finally:
        process.kill()
        process.communicate()
