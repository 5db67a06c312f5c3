"""`edge-agent stick`: whatever is on the stick, it says afterwards how it went."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tuf.api.metadata import TargetFile

from edge_agent.layout import Root
from firmware_profiles.profile import userland_arch
from firmware_profiles.targets import Custom
from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.support import Device, agent, null_bundle, wait_until
from tests.edge_agent.wheels import TAG, code_file, first_code, kept_running


@pytest.fixture
def device(tmp_path: Path) -> Device:
    """A device."""
    return Device(tmp_path, null_bundle(tmp_path / "null.godwit"), "mqtt://127.0.0.1:9", name="door-7")


@pytest.mark.parametrize("content", ["nothing", "noise"])
def test_what_cannot_be_installed_is_told_on_the_stick(device: Device, tmp_path: Path, content: str) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    if content == "noise":
        (stick / "godwit").mkdir()
        (stick / "godwit" / "readme.txt").write_text("no kit")
    done = agent("stick", stick, "--root", device.root)
    outcome = json.loads((stick / "godwit-outcome" / "door-7.json").read_text())
    assert done.returncode == outcome["exit_code"] != 0
    assert outcome["installed"] is None
    assert outcome["problems"] == done.stdout.splitlines()
    assert all("expected" in problem for problem in outcome["problems"])
    assert "Traceback" not in done.stdout + done.stderr


def test_a_kit_is_installed_and_the_stick_says_so(tmp_path: Path) -> None:
    device, stick = Updated(tmp_path), tmp_path / "stick"
    device.repository.add(version(tmp_path, "2"))
    shutil.copytree(device.repository.folder, stick / "godwit")
    assert agent("stick", stick, "--root", device.root).returncode == 0
    outcome = json.loads((stick / "godwit-outcome" / "d1.json").read_text())
    assert (outcome["installed"]["version"], outcome["problems"], device.active()) == ("2", [], "2")


def test_the_agents_own_code_comes_first_and_the_deployment_once_it_is_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device, stick = Updated(tmp_path), tmp_path / "stick"
    device.answers_forever()
    device.configure("[update]\nprove_minutes = 0\nprove_predictions = 1")
    first_code(Root(device.root), code_file(tmp_path / "first"))
    both: dict[str, TargetFile] = {}
    with monkeypatch.context() as patch:  # each publishes what it is given, and nothing else
        patch.setattr(device.repository, "publish", both.update)
        device.repository.add(version(tmp_path, "2"))
        of = Custom("agent", "agent", "default", "linux-x86_64", "0.2.0", TAG, userland_arch())
        device.repository.offer(code_file(tmp_path / "new", "0.2.0"), of)
    device.repository.publish(both)
    shutil.copytree(device.repository.folder, stick / "godwit")
    with kept_running(Root(device.root)):
        wait_until(lambda: device.status().get("predictions", 0) > 0, "the agent")
        line = [sys.executable, "-m", "edge_agent", "stick", stick, "--root", device.root]
        done = subprocess.run(line, capture_output=True, text=True, timeout=180, check=False)
        assert done.returncode == 0, done.stdout
        assert [str((device.root / "agent" / link).readlink()) for link in ("active", "proven")] == ["b", "b"]
        outcome = json.loads((stick / "godwit-outcome" / "d1.json").read_text())
        assert (outcome["installed"]["version"], outcome["problems"], device.active()) == ("2", [], "2")


def test_a_stick_that_cannot_be_written_to_is_told(device: Device, tmp_path: Path) -> None:
    (tmp_path / "stick").touch()
    done = agent("stick", tmp_path / "stick", "--root", device.root)
    assert (done.returncode, "a stick to write to" in done.stderr) == (4, True)
