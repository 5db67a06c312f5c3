"""`edge-agent update` on a device whose clock is wrong: it is told, and the agent there predicts on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.edge_agent.ota.fleet_of_one import Updated, served, version
from tests.edge_agent.support import TIMEOUT_S, wait_until

PROGRAM = ("-m", "tests.edge_agent.wrong_clock")
PROVES_SOON = "prove_minutes = 0\nprove_predictions = 5"


@pytest.fixture
def device(tmp_path: Path) -> Updated:
    made = Updated(tmp_path)
    made.answers_forever()
    return made


@contextmanager
def running(device: Updated, clock: str) -> Iterator[None]:
    """The agent and its repository, for the time of the block."""
    with served(device.repository.folder) as url, device.running((*PROGRAM, clock, "untrusted")):
        device.configure(f'[update]\nurl = "{url}"\n{PROVES_SOON}')
        predicts(device, "1")
        yield


def update(device: Updated, clock: str, trusted: str) -> CompletedProcess[str]:
    """Look now, with the clock at `clock`."""
    command = [sys.executable, *PROGRAM, clock, trusted, "update", "--now", "--root", str(device.root)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)


def predicts(device: Updated, wanted: str) -> None:
    """See the agent answer one input more with the version `wanted`."""
    wait_until(lambda: device.status().get("version") == wanted, f"the agent to run version {wanted}")
    before = device.status()["predictions"]
    wait_until(lambda: device.status()["predictions"] > before, "one prediction more")


def refused(device: Updated, done: CompletedProcess[str], why: str) -> None:
    """See that the update ended by a named event, an exit code and one line of words."""
    assert done.returncode == 6, done.stderr
    assert why in done.stderr
    assert len(done.stderr.splitlines()) == 1
    last = device.history()["entries"][-1]
    assert last["event"] == "update_unavailable"
    assert why in last["reason"]


def test_in_1970_it_is_updated_and_still_notices_what_has_expired(device: Updated, tmp_path: Path) -> None:
    now = datetime.now(timezone.utc)
    with running(device, "1970-01-01"):
        assert update(device, f"{now:%Y-%m-%d}", "trusted").returncode == 0  # so it knew the time once
        device.repository.add(version(tmp_path, "2"))
        done = update(device, "1970-01-01", "untrusted")
        assert done.returncode == 0, done.stderr
        assert device.history()["entries"][-1]["event"] == "update_committed"
        predicts(device, "2")
        device.repository.lives = timedelta(days=-2)
        device.repository.add(version(tmp_path, "3"))
        for trusted in ("untrusted", "trusted"):  # a time server may tell nonsense, too
            refused(device, update(device, "1970-01-01", trusted), "which expired at")
        predicts(device, "2")


def test_in_2099_nothing_is_taken_and_nothing_is_lost_for_ever(device: Updated, tmp_path: Path) -> None:
    with running(device, "2099-01-01"):
        device.repository.add(version(tmp_path, "2"))
        refused(device, update(device, "2099-01-01", "trusted"), "valid at 2099-01-01")
        predicts(device, "1")
        done = update(device, "2099-01-01", "untrusted")  # then it is judged by what was signed
        assert done.returncode == 0, done.stderr
        assert device.history()["entries"][-1]["event"] == "update_committed"
        predicts(device, "2")
        device.repository.add(version(tmp_path, "3"))
        done = update(device, f"{datetime.now(timezone.utc):%Y-%m-%d}", "trusted")
        assert done.returncode == 0, done.stderr
        predicts(device, "3")
