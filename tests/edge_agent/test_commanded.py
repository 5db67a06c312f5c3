"""`godwit/<device>/cmd`: a real agent is asked to look for an update."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware_profiles import topics, wire
from tests.edge_agent.links import asking
from tests.edge_agent.support import Device, null_bundle, wait_until
from tools.broker import Broker


def test_a_command_leaves_a_request_once_a_minute_and_nothing_else(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    request, topic = device.root / "run" / "request", topics.topic("d1", "cmd")
    with asking(broker.port) as asker, device.running():
        asker.subscribe("godwit/d1/reply")
        wait_until(lambda: device.status().get("connected", False), "connected")
        for nonsense in (b"", b"[]", b'{"command": "rollback"}', b'{"command": "update", "url": "http://evil/"}'):
            asker.say(topic, nonsense)
        wait_until(lambda: len(asker.heard) == 4, "four refusals")
        assert not request.exists()
        asker.say(topic, wire.encode(wire.Command("update")), CorrelationData=b"7")
        wait_until(request.exists, "the request")
        request.unlink()
        asker.say(topic, wire.encode(wire.Command("update")))
        wait_until(lambda: len(asker.heard) == 6, "an answer to each")
        assert not request.exists()
        replies = [msgspec.json.decode(message.payload, type=wire.Reply) for message in asker.heard]
    assert all(reply.error and not reply.done for reply in replies[:4])
    assert (replies[4].done, replies[4].error) == ("the updater is asked to look for an update", "")
    assert asker.heard[4].properties.CorrelationData == b"7"  # type: ignore[union-attr]
    assert "at most once in 60 s" in replies[5].error
