"""A version that is left while its worker starts is gone from the disk: that is no fault that anybody is told of."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.edge_agent.support import Device, Subscriber, wait_until
from tests.edge_agent.switching import null_version, point, put, workers
from tools.broker import Broker

LOOKS_WHEN_ASKED = (str(Path(__file__).parent / "looks_when_asked.py"),)


class Switched(NamedTuple):
    """A running agent, and what it says."""

    device: Device
    agent: int
    subscriber: Subscriber

    def look(self) -> None:
        """Have it look where `slots/active` leads."""
        os.kill(self.agent, signal.SIGHUP)

    def waits_for(self, *events: str) -> None:
        """Until it has told just these."""
        wait_until(lambda: self.subscriber.events() == list(events), str(events))

    def new_worker(self, before: list[int]) -> int:
        """Stopped before it has loaded anything."""
        wait_until(lambda: bool(set(workers(self.agent)) - set(before)), "a new worker")
        (worker,) = set(workers(self.agent)) - set(before)
        os.kill(worker, signal.SIGSTOP)
        return worker

    def leave(self, worker: int) -> None:
        """Go back to slot a, as the updater does after a verdict; the worker finds out before the supervisor does."""
        point(self.device, "a")
        shutil.rmtree(self.device.root / "slots" / "b")
        os.kill(worker, signal.SIGCONT)
        wait_until(lambda: worker not in workers(self.agent), "its end")
        self.look()


@pytest.fixture
def device(tmp_path: Path, broker: Broker) -> Device:
    """A device with 1.0, and 2.0 in slot b."""
    device = Device(tmp_path, null_version(tmp_path / "1.godwit", "1.0"), broker.url)
    put(device, null_version(tmp_path / "2.godwit", "2.0"))
    return device


@contextmanager
def running(device: Device, broker: Broker) -> Iterator[Switched]:
    with Subscriber(broker.port) as subscriber, device.running(LOOKS_WHEN_ASKED) as agent:
        switched = Switched(device, agent.pid, subscriber)
        switched.waits_for("started", "ready")
        yield switched


def test_the_worker_that_starts_again_finds_nothing_and_the_version_before_takes_over(
    device: Device, broker: Broker
) -> None:
    point(device, "b")
    with running(device, broker) as switched:
        (first,) = workers(switched.agent)
        os.kill(first, signal.SIGKILL)
        switched.leave(switched.new_worker([first]))
        switched.waits_for("started", "ready", "worker_died", "ready", "deployment_switched")


def test_the_worker_that_proves_the_new_version_finds_nothing_and_nothing_changes(
    device: Device, broker: Broker, tmp_path: Path
) -> None:
    with running(device, broker) as switched:
        (first,) = workers(switched.agent)
        point(device, "b")
        switched.look()
        switched.leave(switched.new_worker([first]))
        assert workers(switched.agent) == [first]
        put(device, null_version(tmp_path / "3.godwit", "3.0"))
        point(device, "b")
        switched.look()
        switched.waits_for("started", "ready", "ready", "deployment_switched")
