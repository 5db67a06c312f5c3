"""SIGKILL in the middle of a replay loses nothing, and a repeat is recognised by its identity."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from firmware_profiles import wire
from tests.edge_agent.support import Device, Subscriber, images, null_bundle, wait_until
from tools.broker import Broker

ITEMS = 1600
MID_GROUP_S = 0.06  # a group of 100 takes 125 ms
RATE = 800  # so that every 20 ms, the time between commits, some messages are not committed yet
KILLS = 4
HONEST = ("-m", "edge_agent")
SABOTAGED = (str(Path(__file__).parent / "sabotage.py"),)


def replay_with_kills(tmp_path: Path, broker: Broker, program: tuple[str, ...]) -> list[wire.Prediction]:
    """What a subscriber got of a replay whose agent was killed several times and then left to finish."""
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    np.savez(tmp_path / "d.npz", x=images(ITEMS))
    device.replay(tmp_path / "d.npz", rate=RATE)
    with Subscriber(broker.port) as subscriber:
        for kill in range(1, KILLS + 1):
            with device.running(program) as agent:
                enough = ITEMS * kill // (KILLS + 1)
                wait_until(lambda: len(subscriber.of("prediction")) >= enough, "predictions")  # noqa: B023  # called at once
                time.sleep(MID_GROUP_S)
                agent.send_signal(signal.SIGKILL)
                agent.wait()
        with device.running(program):
            wait_until(lambda: "source_ended" in subscriber.events(), "the end of the replay")
            wait_until(lambda: device.status().get("spool_messages") == 0, "an empty spool")
            time.sleep(0.2)  # the broker's last deliveries to the subscriber
            found: list[wire.Prediction] = subscriber.of("prediction")
    return found


def test_a_killed_agent_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    received = replay_with_kills(tmp_path, broker, HONEST)
    positions = {prediction.input.position for prediction in received}
    assert positions == set(range(ITEMS))
    # Whatever came twice is the same message twice.
    identities = {(prediction.spool, prediction.seq): prediction for prediction in received}
    assert len(identities) == ITEMS
    assert all(identities[prediction.spool, prediction.seq] == prediction for prediction in received)


def test_the_test_notices_when_cursor_and_message_are_committed_apart(tmp_path: Path, broker: Broker) -> None:
    def loses(attempt: int) -> bool:
        folder = tmp_path / str(attempt)
        folder.mkdir()
        received = replay_with_kills(folder, broker, SABOTAGED)
        return len({prediction.input.position for prediction in received}) < ITEMS

    # Where no kill falls between the two commits nothing is lost: each replay has another chance.
    assert any(map(loses, range(4)))


def test_a_killed_worker_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
    np.savez(tmp_path / "d.npz", x=images(ITEMS))
    device.replay(tmp_path / "d.npz", rate=RATE)
    with Subscriber(broker.port) as subscriber, device.running():
        wait_until(lambda: len(subscriber.of("prediction")) >= ITEMS // 3, "predictions")
        os.kill(device.status()["worker_pid"], signal.SIGKILL)
        wait_until(lambda: len(subscriber.of("prediction")) >= ITEMS, "all predictions")
        assert [prediction.input.position for prediction in subscriber.of("prediction")] == list(range(ITEMS))
        assert "worker_died" in subscriber.events()
