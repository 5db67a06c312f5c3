"""The agent's own code goes through the same table as a deployment."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.layout import Root
from firmware_profiles.manifest import Limits
from firmware_profiles.profile import userland_arch
from firmware_profiles.targets import Custom
from tests.edge_agent.ota.fleet_of_one import Updated, served, version
from tests.edge_agent.support import wait_until
from tests.edge_agent.wheels import HERE, TAG, code_file, first_code, kept_running, small_code_file


@pytest.fixture
def device(tmp_path: Path) -> Updated:
    made = Updated(tmp_path)
    first_code(Root(made.root), small_code_file(tmp_path / "first", "0.1.0", ""))
    return made


def offer(device: Updated, file: Path, version: str) -> None:
    """Sign an agent's code for the device, and nothing else."""
    said = Custom("agent", "agent", "default", "linux-x86_64", version, TAG, userland_arch())
    device.repository.offer(file, said)


def slots(device: Updated) -> tuple[str, str]:
    """The active and the proven slot of the agent's code."""
    return tuple(str((device.root / "agent" / link).readlink()) for link in ("active", "proven"))  # type: ignore[return-value]


def test_new_code_is_tried_and_on_probation_until_it_is_good(device: Updated, tmp_path: Path) -> None:
    offer(device, code_file(tmp_path / "new", "0.2.0"), "0.2.0")
    assert device.install().returncode == 0
    assert slots(device) == ("b", "a")
    assert device.says("mark-good").returncode == 0
    assert slots(device) == ("b", "b")
    entry = device.history()["entries"][-1]
    assert (entry["event"], entry["kind"], entry["version"]) == ("update_committed", "agent", "0.2.0")
    assert entry["tested"] == {"null/none": "passed"}
    assert device.active() == "1"


def test_code_that_cannot_be_loaded_is_never_started(device: Updated, tmp_path: Path) -> None:
    offer(device, small_code_file(tmp_path / "bad", "0.3.0", "import nothing_of_the_kind"), "0.3.0")
    done = device.install()
    assert done.returncode == 5
    assert "code that this device can load" in done.stderr
    assert slots(device) == ("a", "a")
    assert not (device.root / "agent" / "b").exists()


def test_code_with_which_the_deployment_gives_other_answers_is_refused(device: Updated, tmp_path: Path) -> None:
    path = "edge_agent/runtimes/null.py"
    other = (HERE / path).read_text().replace("np.zeros(", "np.ones(")
    offer(device, code_file(tmp_path / "new", "0.2.0", {path: other}), "0.2.0")
    done = device.install()
    assert done.returncode == 5
    assert "model tiny on null/none: expected outputs within 1e-06, found golden input 0 off by 1" in done.stderr
    assert slots(device) == ("a", "a")


def test_a_deployment_that_does_not_pass_anyway_speaks_against_no_code(device: Updated, tmp_path: Path) -> None:
    by_hand = version(tmp_path, "1.1", limits=Limits(1e-6, 1000))  # which nothing can hold
    assert device.says("install", by_hand).returncode == 0
    offer(device, code_file(tmp_path / "new", "0.2.0"), "0.2.0")
    assert device.install().returncode == 0
    assert slots(device) == ("b", "a")


def test_a_person_rolls_it_back(device: Updated, tmp_path: Path) -> None:
    offer(device, code_file(tmp_path / "new", "0.2.0"), "0.2.0")
    assert device.install().returncode == 0
    assert device.says("rollback").returncode == 0
    assert slots(device) == ("a", "a")
    assert [each["version"] for each in device.history()["rejected"]] == ["0.2.0"]


def test_code_that_dies_at_its_start_is_left_for_good_while_the_agent_runs(tmp_path: Path) -> None:
    device = Updated(tmp_path)
    device.answers_forever()
    root = Root(device.root)
    first_code(root, code_file(tmp_path / "first"))
    dead = {"edge_agent/__main__.py": "import nothing_of_the_kind\n"}  # which the self-test does not import
    offer(device, code_file(tmp_path / "new", "0.2.0", dead), "0.2.0")
    with served(device.repository.folder) as url, kept_running(root) as told:
        device.configure(f'[update]\nurl = "{url}"')
        wait_until(lambda: device.status().get("predictions", 0) > 0, "predictions of the first code")
        first = device.status()["supervisor_pid"]
        done = device.says("update", "--now")
        assert done.returncode == 5, done.stderr
        assert slots(device) == ("a", "a")
        assert ["nothing_of_the_kind" in each for each in told] == [True] * 3
        wait_until(lambda: device.status()["supervisor_pid"] != first, "the first code, started anew")
        wait_until(lambda: device.status()["predictions"] > 0, "it to predict on")
        again = json.loads(device.says("update", "--now", "--json").stdout)
        assert (again["result"], again["deployment"], again["version"]) == ("rejected_before", "agent", "0.2.0")
    entry = device.history()["entries"][-1]
    assert (entry["event"], entry["kind"], entry["version"]) == ("update_rejected", "agent", "0.2.0")
    assert entry["reason"] == "it was started 3 times and did not prove itself"
