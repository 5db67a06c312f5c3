"""A person decides how a version on probation does while an updater watches it: that one lets go."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.layout import Root
from edge_agent.ota import journal
from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.support import wait_until


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Updated]:
    """A device whose agent runs a version on probation, with an updater that waits for a verdict."""
    device = Updated(tmp_path)
    device.answers_forever()
    device.configure('[update]\nurl = "http://127.0.0.1:9"\nprove_predictions = 1000000')
    device.repository.add(version(tmp_path, "2"))
    assert device.install().returncode == 0
    line = [sys.executable, "-m", "edge_agent", "update", "--root", str(device.root)]
    with device.running():
        wait_until(lambda: device.status().get("version") == "2", "the agent to run version 2")
        with subprocess.Popen(line, stderr=subprocess.DEVNULL) as watching:
            lock = device.root / "update" / "lock"
            wait_until(lambda: f"process {watching.pid}" in lock.read_text(), "the updater to watch")
            try:
                yield device
                assert watching.wait(30) == 0, "it let go by itself"
            finally:
                watching.kill()


@pytest.mark.parametrize(("command", "active"), [("mark-good", "2"), ("rollback", "1")])
def test_who_knows_better_need_not_wait(watched: Updated, command: str, active: str) -> None:
    done = watched.says(command)
    assert done.returncode == 0, done.stderr
    assert watched.active() == active
    assert journal.peek(Root(watched.root)).state == "idle"
    assert not (watched.root / "update" / "wanted").exists()
