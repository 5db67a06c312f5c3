"""`python -m bench.drain`: a spool that filled during an outage is sent, beside paho alone, in the same run.

CPU of the sending process, so that a busy machine shows in neither; PUBACKs of a real mosquitto.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from bench.spool import message
from edge_agent import config, reports
from edge_agent.link.mqtt import Hooks, Link
from edge_agent.link.spool import open_spool
from edge_agent.link.window import IN_FLIGHT
from edge_agent.outbox import Outbox
from edge_agent.publish import Publisher
from firmware_profiles import broker_url, wire
from tools.broker import Broker

MESSAGES = 20_000
REPEATS = 3
_TOPIC = "godwit/bench/prediction/resnet8"


class Rate(NamedTuple):
    """Messages a second, and processor time a message."""

    per_s: float
    cpu_us: float


async def drain(folder: Path, url: str) -> Rate:
    """Fill a spool, connect, wait until it is empty."""
    settings = config.Spool()
    spool = open_spool(folder / "spool.db", settings)
    sample = message(spool.id)
    for _ in range(MESSAGES):
        spool.put("prediction", _TOPIC, lambda _: sample)
        if spool.uncommitted == settings.commit_messages:
            spool.commit()
    link = Link(broker_url.parse(url, "bench"), "bench", reports.status("bench", "offline"))
    outbox = Outbox("bench", spool, link, Publisher([]), settings)
    began_s, cpu_s = time.perf_counter(), time.process_time()
    running = asyncio.create_task(link.run(Hooks(outbox.connected, outbox.acknowledged)))
    while spool.messages:
        await asyncio.sleep(0.02)
    rate = _rate(began_s, cpu_s)
    running.cancel()
    return rate


def bare(url: str) -> Rate:
    """The same messages by paho alone, as many in flight."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    acknowledged = sent = 0

    def on_publish(*_: Any) -> None:
        nonlocal acknowledged
        acknowledged += 1

    client.on_publish = on_publish
    host, _, port = url.removeprefix("mqtt://").partition(":")
    client.connect(host, int(port))
    while not client.is_connected():
        client.loop(0.1)
    payload = wire.encode(message("0123abcd"))
    began_s, cpu_s = time.perf_counter(), time.process_time()
    while acknowledged < MESSAGES:
        while sent < MESSAGES and sent - acknowledged < IN_FLIGHT:
            client.publish(_TOPIC, payload, 1)
            sent += 1
        client.loop(0.1)
    rate = _rate(began_s, cpu_s)
    client.disconnect()
    return rate


def _rate(began_s: float, cpu_s: float) -> Rate:
    wall_s, used_s = time.perf_counter() - began_s, time.process_time() - cpu_s
    return Rate(MESSAGES / wall_s, used_s / MESSAGES * 1e6)


def in_turn() -> Iterator[tuple[Rate, Rate]]:
    """The spool and paho alone, again and again."""
    with tempfile.TemporaryDirectory() as name, Broker(Path(name)) as broker:
        for repeat in range(REPEATS):
            folder = Path(name) / str(repeat)
            folder.mkdir()
            alone = bare(broker.url)
            yield asyncio.run(drain(folder, broker.url)), alone


def main() -> None:
    """Print every turn."""
    for rates in in_turn():
        for who, rate in zip(("spool", "paho alone"), rates, strict=True):
            print(f"{who:12} {rate.per_s:8.0f} messages/s, {rate.cpu_us:6.1f} µs of CPU a message")


if __name__ == "__main__":
    main()
