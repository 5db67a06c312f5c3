"""The active slot is another one while the agent runs: it hands over, or says why not."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np

from tests.edge_agent.support import MODELS, Device, Subscriber, images, wait_until, write_bundle
from tests.edge_agent.switching import null_version, point, put, wait_for_health, workers
from tools.broker import Broker

ITEMS = 50_000
RATE = 200  # so that it does not end before the test


def replaying(tmp_path: Path, broker: Broker) -> Device:
    """A device that runs version 1.0 on a steady replay, with 2.0 in slot b."""
    device = Device(tmp_path, null_version(tmp_path / "1.godwit", "1.0"), broker.url)
    np.savez(tmp_path / "d.npz", x=images(ITEMS))
    device.replay(tmp_path / "d.npz", rate=RATE)
    put(device, null_version(tmp_path / "2.godwit", "2.0"))
    return device


def some(subscriber: Subscriber, version: str = "1.0") -> None:
    """Wait for more predictions of a version."""
    before = len(subscriber.of("prediction"))
    wait_until(lambda: [each.version for each in subscriber.of("prediction")[before:]].count(version) > 20, version)


def answered_by(subscriber: Subscriber) -> list[str]:
    """The versions that answered one after the other; no input is missing, and they are in order."""
    predictions = subscriber.of("prediction")
    assert [each.input.position for each in predictions] == list(range(len(predictions)))
    versions = [each.version for each in predictions]
    return [version for before, version in zip(["", *versions], versions, strict=False) if version != before]


def test_there_and_back_nothing_is_lost_and_the_order_is_kept(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    with Subscriber(broker.port) as subscriber, device.running():
        some(subscriber)
        point(device, "b")
        health = wait_for_health(device, "2.0", "running")
        some(subscriber, "2.0")
        point(device, "a")
        wait_for_health(device, "1.0", "running")
        some(subscriber)
        switched = [event.text for event in subscriber.of("event") if event.name == "deployment_switched"]
        assert [info.version for info in subscriber.of("info")][-1] == "1.0"
    assert answered_by(subscriber) == ["1.0", "2.0", "1.0"]
    assert switched == ["tiny 2.0 answers instead of tiny 1.0", "tiny 1.0 answers instead of tiny 2.0"]
    assert (health.deployment, health.worker_deaths, health.reason) == ("tiny", 0, "")
    assert health.peak_rss_mb > 1
    assert "worker_died" not in subscriber.events()


def test_a_deployment_that_is_refused_changes_nothing(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    other, good = ((MODELS / f"tiny-{name}.tflite").read_bytes() for name in ("int8", "float32"))
    put(device, write_bundle(tmp_path / "3.godwit", content=good, golden_from=other, version="3.0"))
    with Subscriber(broker.port) as subscriber, device.running() as agent:
        some(subscriber)
        (worker,) = workers(agent.pid)
        point(device, "b")
        health = wait_for_health(device, "3.0", "refused")
        assert "golden" in health.reason
        wait_until(lambda: "deployment_refused" in subscriber.events(), "the event")
        assert workers(agent.pid) == [worker]
        assert device.status()["version"] == "1.0"
        point(device, "a")
        wait_for_health(device, "1.0", "running")
        some(subscriber)
    assert answered_by(subscriber) == ["1.0"]


def test_a_slot_that_cannot_be_read_changes_nothing(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    (device.root / "slots" / "b" / "manifest.json").write_text("{")
    with Subscriber(broker.port) as subscriber, device.running():
        some(subscriber)
        point(device, "b")
        health = wait_for_health(device, "", "refused")
        assert "manifest" in health.reason
        some(subscriber)


def test_where_memory_does_not_hold_both_one_stops_first(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    put(device, null_version(tmp_path / "4.godwit", "4.0", memory_mb=10**9))
    with Subscriber(broker.port) as subscriber, device.running() as agent:
        some(subscriber)
        point(device, "b")
        wait_for_health(device, "4.0", "running")
        assert len(workers(agent.pid)) == 1
        some(subscriber, "4.0")
        text = next(event.text for event in subscriber.of("event") if event.name == "memory_short")
    assert "the new one wants 1000000000 MB" in text
    assert answered_by(subscriber) == ["1.0", "4.0"]


def test_one_that_stopped_first_comes_back_if_the_new_one_is_refused(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    folder = put(device, null_version(tmp_path / "5.godwit", "5.0", memory_mb=10**9))
    (folder / "models" / "null.json").write_bytes(b'{"outputs": [[1, 4]]}')
    with Subscriber(broker.port) as subscriber, device.running():
        some(subscriber)
        point(device, "b")
        health = wait_for_health(device, "5.0", "refused")
        assert "changed bytes" in health.reason
        some(subscriber)
    assert answered_by(subscriber) == ["1.0"]


def test_the_new_worker_that_dies_is_started_again_and_then_refused(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    with Subscriber(broker.port) as subscriber, device.running() as agent:
        some(subscriber)
        (old,) = workers(agent.pid)
        point(device, "b")
        killed: set[int] = set()

        def hunted() -> bool:
            for pid in set(workers(agent.pid)) - {old} - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            return "deployment_refused" in subscriber.events()

        wait_until(hunted, "the refusal")
        assert len(killed) == 3
        some(subscriber)
    assert answered_by(subscriber) == ["1.0"]


def test_the_old_worker_that_dies_in_the_middle_loses_nothing(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    with Subscriber(broker.port) as subscriber, device.running() as agent:
        some(subscriber)
        (old,) = workers(agent.pid)
        point(device, "b")
        wait_until(lambda: len(workers(agent.pid)) == 2, "the new worker")
        os.kill(old, signal.SIGKILL)
        wait_for_health(device, "2.0", "running")
        some(subscriber, "2.0")
    assert answered_by(subscriber) == ["1.0", "2.0"]


def test_a_configuration_that_changes_meanwhile_holds_for_both(tmp_path: Path, broker: Broker) -> None:
    device = replaying(tmp_path, broker)
    np.savez(tmp_path / "more.npz", x=images(30))
    with Subscriber(broker.port) as subscriber, device.running() as agent:
        some(subscriber)
        point(device, "b")
        wait_until(lambda: len(workers(agent.pid)) == 2, "the new worker")
        device.configure(f'[[source]]\nname = "more"\nkind = "replay"\npath = "{tmp_path}/more.npz"')
        wait_until(lambda: "configuration_changed" in subscriber.events(), "the change")
        wait_for_health(device, "2.0", "running")
        some(subscriber, "2.0")
        wait_until(lambda: "source_ended" in subscriber.events(), "the end of the new source")
        assert len(workers(agent.pid)) == 1
        found = [each.input for each in subscriber.of("prediction")]
    assert [each.position for each in found if each.source == "more"] == list(range(30))
    positions = [each.position for each in found if each.source == "replay"]
    assert positions == list(range(len(positions)))
