"""The outbox on a real connection: order through reconnects, and what is told about losses."""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_agent import clock, config, reports
from edge_agent.channel import Answer, Predicted
from edge_agent.link.mqtt import Hooks, Link
from edge_agent.link.spool import open_spool
from edge_agent.outbox import Outbox
from edge_agent.publish import Publisher
from firmware_profiles import broker_url
from firmware_profiles.results import Input, Regression
from tests.edge_agent.support import Device, Subscriber, null_bundle, wait_until
from tests.edge_agent.test_agent import data
from tests.soak.proxy import Proxy
from tools.broker import Broker

MESSAGES = 600
CUTS = 3


async def send_through_cuts(folder: Path, proxy: Proxy) -> None:
    """Messages go out while the connection is cut again and again, and a commit comes at every moment."""
    spool = open_spool(folder / "s.db", config.Spool())
    link = Link(broker_url.parse(proxy.url, "test"), "sender", reports.status("d", "offline"))
    outbox = Outbox("d", spool, link, Publisher([]), config.Spool())
    connection = asyncio.create_task(link.run(Hooks(outbox.connected, outbox.acknowledged)))
    for number in range(MESSAGES):
        if number % (MESSAGES // CUTS) == 20:
            while not link.connected:
                await asyncio.sleep(0)
            proxy.cut("in")
        answer = Answer("m", Regression([0.0]), 0.1)
        outbox.predictions("1", Predicted(Input("s", number), [answer], clock.uptime_ms()))
        outbox.commit()
        await asyncio.sleep(0)
    while spool.messages:
        outbox.commit()
        await asyncio.sleep(0)
    connection.cancel()


def test_first_arrivals_are_in_order_through_reconnects(tmp_path: Path, broker: Broker) -> None:
    with Subscriber(broker.port) as subscriber, Proxy(broker) as proxy:
        asyncio.run(asyncio.wait_for(send_through_cuts(tmp_path, proxy), 30))
        wait_until(lambda: len({p.seq for p in subscriber.of("prediction")}) == MESSAGES, "all messages")
        numbers = [prediction.seq for prediction in subscriber.of("prediction")]
    assert proxy.cuts == CUTS
    assert list(dict.fromkeys(numbers)) == sorted(set(numbers))
    assert len(numbers) - MESSAGES <= CUTS * 40  # the window, and as many deletes that were not committed


def test_what_a_full_spool_dropped_is_told_by_an_event_and_by_telemetry(tmp_path: Path, broker: Broker) -> None:
    broker.stop()
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    device.replay(data(tmp_path, 3000))
    device.configure("[spool]\nmax_mb = 0.5\n[telemetry]\ninterval_s = 0.3")
    with device.running():
        wait_until(lambda: device.status().get("predictions") == 3000, "answers without a broker")
        broker.start()
        with Subscriber(broker.port) as subscriber:
            wait_until(lambda: "spool_dropped" in subscriber.events(), "the event")
            wait_until(lambda: bool(subscriber.of("telemetry")), "telemetry")
            wait_until(lambda: device.status()["spool_messages"] < 5, "little but telemetry")
            last = subscriber.of("telemetry")[-1]
    assert last.dropped["prediction"] > 1000
    assert last.dropped["event"] == 0
    assert subscriber.events().count("spool_dropped") == 1
    assert last.written_bytes_per_day is None or last.written_bytes_per_day >= 0
