"""Requests to a device and to a pool, over a real mosquitto: delivered, accepted, and delivered again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_agent.link.inbox import MAX_PACKET_BYTES, RECEIVE_MAXIMUM
from firmware_profiles import topics
from tests.edge_agent.links import Party, asking, running, until
from tests.relay import OLD_BROKERS, relay
from tools.broker import Broker

OWN = topics.request_filters("door-7", [], [])
POOL = topics.request_filters("door-7", ["line-3"], ["digits"])
REQUEST = topics.topic("door-7", "infer", "digits")
POOLED = topics.topic("", "infer", "digits", pool="line-3")


async def subscribed(device: Party) -> None:
    """Wait until it is connected, and the broker knows what it wants: SUBSCRIBE goes before what it says then."""
    await until(lambda: device.ups == 1, "connected")
    await device.offer(100, "godwit/door-7/event")


def answer(device: Party, at: int = 0) -> None:
    """As the agent does: the answer first, then accept."""
    request = device.received[at]
    asked = topics.parse_topic(request.topic)
    assert asked is not None
    device.link.publish(topics.reply_topic(asked, request.response_topic), b"42", request.correlation)
    device.link.accept(request.token)


def test_a_request_is_answered_where_it_says_with_its_correlation(broker: Broker) -> None:
    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN) as device:
            await subscribed(device)
            await asyncio.to_thread(
                asker.say, REQUEST, b"\x00\x01", ResponseTopic="desk/answers", CorrelationData=b"\xff7"
            )
            await until(lambda: len(device.received) == 1, "the request")
            assert device.received[0][:4] == (REQUEST, b"\x00\x01", "desk/answers", b"\xff7")
            answer(device)
            await until(lambda: len(asker.heard) == 1, "the answer")

    with asking(broker.port) as asker:
        asker.subscribe("desk/answers")
        asyncio.run(scenario())
    assert (asker.heard[0].payload, asker.heard[0].properties.CorrelationData) == (b"42", b"\xff7")  # type: ignore[union-attr]


@pytest.mark.parametrize("old", list(OLD_BROKERS))
def test_in_mqtt_3_1_1_a_level_of_the_topic_tells_which_answer_it_is(broker: Broker, old: str) -> None:
    async def scenario(url: str) -> None:
        async with running(url, "door-7", OWN) as device:
            await subscribed(device)
            await asyncio.to_thread(asker.say, f"{REQUEST}/a1", b"?")
            await until(lambda: len(device.received) == 1, "the request")
            answer(device)
            await until(lambda: len(asker.heard) == 1, "the answer")

    with asking(broker.port) as asker, relay(broker, OLD_BROKERS[old]) as relayed:
        asker.subscribe("godwit/door-7/reply/#")
        asyncio.run(scenario(relayed.url))
    assert asker.heard[0].topic == "godwit/door-7/reply/digits/a1"


def test_what_was_not_accepted_comes_again_to_the_next_process(tmp_path: Path, broker: Broker) -> None:
    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN, session=tmp_path / "s") as first:
            await subscribed(first)
            for number in range(3):
                await asyncio.to_thread(asker.say, REQUEST, b"%d" % number)
            await until(lambda: len(first.received) == 3, "the requests")
            first.link.accept(first.received[1].token)
            await first.offer(1, "godwit/door-7/event")  # its PUBACK: ours was on the same way before it
        await asyncio.to_thread(asker.say, REQUEST, b"meanwhile")
        async with running(broker.url, "door-7", OWN, session=tmp_path / "s") as second:
            await until(lambda: len(second.received) == 3, "what is left, and what came meanwhile")
            assert sorted(second.payloads()) == [b"0", b"2", b"meanwhile"]

    with asking(broker.port) as asker:
        asyncio.run(scenario())


def test_what_a_lost_connection_brought_is_not_accepted_and_takes_no_room(broker: Broker) -> None:
    count = RECEIVE_MAXIMUM - 5

    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN) as device:
            await subscribed(device)
            for number in range(count):
                await asyncio.to_thread(asker.say, REQUEST, b"%d" % number)
            await until(lambda: len(device.received) == count, "the requests")
            broker.stop()
            await until(lambda: not device.link.connected, "the loss")
            answer(device)
            broker.start()
            await until(lambda: len(device.received) == 2 * count, "all of them again")
            for at in range(count):
                answer(device, count + at)
            await device.offer(1, "godwit/door-7/event")
            assert len(device.received) == 2 * count

    with asking(broker.port) as asker:
        asyncio.run(scenario())


def test_a_pool_shares_its_requests(broker: Broker) -> None:
    async def scenario() -> None:
        async with running(broker.url, "door-7", POOL) as one, running(broker.url, "door-8", POOL) as other:
            await until(lambda: one.ups == other.ups == 1, "connected")
            await one.offer(1, "godwit/door-7/event")  # SUBSCRIBE went before it
            await other.offer(1, "godwit/door-8/event")
            for number in range(10):
                await asyncio.to_thread(asker.say, POOLED, b"%d" % number)
            await until(lambda: len(one.received) + len(other.received) == 10, "ten requests")
            assert sorted([*one.payloads(), *other.payloads()]) == [b"%d" % number for number in range(10)]
            assert one.received
            assert other.received
            answer(one)
            await until(lambda: len(asker.heard) == 1, "the answer")

    with asking(broker.port) as asker:
        asker.subscribe("godwit/pool/line-3/reply/#")
        asyncio.run(scenario())
    assert asker.heard[0].topic == "godwit/pool/line-3/reply/digits"


def test_no_request_of_a_pool_is_lost_with_a_member_that_dies(broker: Broker) -> None:
    """mosquitto keeps what a member did not accept for that member: it has it again when it is back."""

    async def scenario() -> None:
        async with running(broker.url, "door-8", POOL) as other:
            async with running(broker.url, "door-7", POOL) as mortal:
                await until(lambda: mortal.ups == other.ups == 1, "connected")
                await mortal.offer(1, "godwit/door-7/event")
                await other.offer(1, "godwit/door-8/event")
                for number in range(6):
                    await asyncio.to_thread(asker.say, POOLED, b"%d" % number)
                await until(lambda: len(mortal.received) + len(other.received) == 6, "six requests")
                lost = mortal.payloads()
            async with running(broker.url, "door-7", POOL) as again:
                await until(lambda: again.payloads() == lost, "what it had not accepted")
            assert len(other.received) + len(lost) == 6

    with asking(broker.port) as asker:
        asyncio.run(scenario())


def test_a_filter_that_is_not_wanted_any_more_is_taken_back_after_a_restart(tmp_path: Path, broker: Broker) -> None:
    session = tmp_path / "subscriptions.json"

    async def scenario() -> None:
        async with running(broker.url, "door-7", [*POOL, "old/#"], session=session) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
        async with running(broker.url, "door-7", OWN, session=session) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
            for topic in ("old/sensor", POOLED, REQUEST):
                await asyncio.to_thread(asker.say, topic, topic.encode())
            await until(lambda: bool(device.received), "the last of the three")
            assert device.payloads() == [REQUEST.encode()]

    with asking(broker.port) as asker:
        asyncio.run(scenario())


class Generous(Broker):
    """By itself it would have 100 messages in flight."""

    def _configuration(self, folder: Path) -> str:
        return super()._configuration(folder) + "max_inflight_messages 100\n"


def test_no_more_than_the_bound_are_here_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
            for number in range(RECEIVE_MAXIMUM + 5):
                await asyncio.to_thread(asker.say, REQUEST, b"%d" % number)
            await until(lambda: len(device.received) == RECEIVE_MAXIMUM, "as many as may be here")
            await device.offer(2, "godwit/door-7/event")
            assert len(device.received) == RECEIVE_MAXIMUM
            assert not caplog.records, "the broker did not send more"
            for message in device.received[:5]:
                device.link.accept(message.token)
            await until(lambda: len(device.received) == RECEIVE_MAXIMUM + 5, "the others")

    with Generous(tmp_path) as broker, asking(broker.port) as asker:
        asyncio.run(scenario())


def test_what_is_too_large_is_not_delivered(broker: Broker) -> None:
    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN) as device:
            await subscribed(device)
            await asyncio.to_thread(asker.say, REQUEST, bytes(MAX_PACKET_BYTES))
            await asyncio.to_thread(asker.say, REQUEST, b"small")
            await until(lambda: device.payloads() == [b"small"], "the small one")

    with asking(broker.port) as asker:
        asyncio.run(scenario())


def test_a_flood_that_nothing_bounds_is_dropped_and_told_once(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    """QoS 0 knows no Receive Maximum, and nobody waits for its PUBACK."""

    async def scenario() -> None:
        async with running(broker.url, "door-7", OWN) as device:
            await until(lambda: device.ups == 1, "connected")
            await device.offer(1, "godwit/door-7/event")
            for _ in range(200):
                asker.client.publish(REQUEST, b"?", 0)
            await asyncio.to_thread(asker.say, "godwit/door-7/infer/last", b"!")
            await until(lambda: len(device.received) == RECEIVE_MAXIMUM, "as many as may be here")
            await device.offer(2, "godwit/door-7/event")
            assert len(device.received) == RECEIVE_MAXIMUM
            for message in device.received[:]:
                device.link.accept(message.token)
            await asyncio.to_thread(asker.say, REQUEST, b"after")
            await until(lambda: device.payloads()[-1] == b"after", "room again")

    with asking(broker.port) as asker:
        asyncio.run(scenario())
    assert sum("messages at once" in record.message for record in caplog.records) == 1
