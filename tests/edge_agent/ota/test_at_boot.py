"""`edge-agent update --at-boot`: what is done before the agent starts, and may be what keeps the device from a loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.layout import Root
from edge_agent.ota import journal
from edge_agent.ota.journal import Journal
from edge_agent.ota.states import MOST_STARTS
from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.support import wait_until


@pytest.fixture
def device(tmp_path: Path) -> Updated:
    """A device with version 2 on probation."""
    device = Updated(tmp_path)
    device.repository.add(version(tmp_path, "2"))
    assert device.install().returncode == 0
    return device


def at(device: Updated) -> Journal:
    return journal.peek(Root(device.root))


def test_the_fourth_boot_of_a_version_on_probation_leaves_it(device: Updated) -> None:
    for boot in range(1, MOST_STARTS + 1):
        assert device.says("update", "--at-boot").returncode == 0
        assert (at(device).state, at(device).starts, device.active()) == ("proving", boot, "2")
    left = device.says("update", "--at-boot")
    assert (left.returncode, device.active(), at(device).state) == (5, "1", "idle")
    assert "proving was begun 4 times" in left.stderr


def test_a_boot_is_not_counted_twice(device: Updated) -> None:
    device.configure('[update]\nurl = "http://127.0.0.1:9"')
    for _ in range(MOST_STARTS):
        assert device.says("update", "--at-boot").returncode == 0
    line = [sys.executable, "-m", "edge_agent", "update", "--root", str(device.root)]
    with subprocess.Popen(line) as watching:
        try:
            wait_until(lambda: at(device).counted_boot == "", "the updater to go on")
            assert (at(device).state, at(device).starts) == ("proving", MOST_STARTS)
        finally:
            watching.kill()


def test_what_a_power_cut_left_half_switched_is_put_right(device: Updated) -> None:
    path = device.root / "update" / "journal.json"
    path.write_bytes(path.read_bytes().replace(b'"state":"proving"', b'"state":"rolling_back"'))
    assert device.says("update", "--at-boot").returncode == 5
    assert (device.active(), at(device).state) == ("1", "idle")


def test_what_is_proven_is_left_alone(device: Updated) -> None:
    assert device.says("mark-good").returncode == 0
    before = at(device)
    assert device.says("update", "--at-boot").returncode == 0
    assert (at(device), device.active()) == (before, "2")
