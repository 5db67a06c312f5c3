"""`edge-agent install KIT` and what a person does after it; and what must not be taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from firmware_profiles.manifest import Limits
from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.ota.signed import Repository
from tests.edge_agent.support import MODELS, agent, null_bundle, write_bundle


@pytest.fixture
def device(tmp_path: Path) -> Updated:
    return Updated(tmp_path)


def test_a_second_version_is_on_probation_and_there_is_a_way_back(device: Updated, tmp_path: Path) -> None:
    device.repository.add(version(tmp_path, "2"))
    done = device.says("install", device.repository.folder, "--json")
    assert json.loads(done.stdout)["on_probation"]
    assert device.install().returncode == 0  # the same once more
    device.repository.add(version(tmp_path, "3"))
    again = device.install()
    assert again.returncode == 4
    assert "found tiny 2 on probation, and no agent runs to show how it does; start the agent, or type" in again.stderr
    assert device.says("rollback").returncode == 0
    assert device.active() == "1"
    assert device.install().returncode == 0  # version 3: it is another one
    assert device.says("mark-good").returncode == 0
    assert device.says("mark-good").returncode == 2
    assert device.says("rollback").returncode == 0
    assert device.says("rollback").returncode == 4  # version 3 was left, and is gone
    assert device.active() == "1"
    assert device.install().returncode == 0  # a person may want what was rejected
    told = device.history()
    assert [each["version"] for each in told["rejected"]] == ["2", "3"]
    assert told["state"] == "proving"


def test_a_kit_without_trust_for_another_device_or_of_a_stranger(device: Updated, tmp_path: Path) -> None:
    bare = agent("install", device.repository.folder, "--root", tmp_path / "bare", "--device-id", "d2")
    assert bare.returncode == 6
    assert "--trust-root" in bare.stderr
    stranger = Repository(tmp_path / "stranger")
    stranger.add(version(tmp_path, "2"))
    assert device.says("install", stranger.folder).returncode == 6
    device.repository.add(version(tmp_path, "5", profiles=["raspberry-pi-5"]))
    other = device.install()
    assert other.returncode == 2
    assert "something for this device (group default), found nothing" in other.stderr
    assert device.active() == "1"
    told = device.history()["entries"][1:]
    assert [each["event"] for each in told] == ["update_unavailable"] * 2
    assert "something for this device" in told[1]["reason"]


def test_what_is_not_what_it_was_signed_as_is_rejected(device: Updated, tmp_path: Path) -> None:
    device.repository.add(version(tmp_path, "2", arch="armv7l"), version="2")
    done = device.install()
    assert done.returncode == 5
    assert "one for linux-x86_64 (armv7l)" in done.stderr
    device.repository.add(version(tmp_path, "3"), version="4")
    assert "expected tiny 4, found tiny 3" in device.install().stderr
    assert device.active() == "1"


def test_wrong_golden_answers_are_found_before_it_runs(device: Updated, tmp_path: Path) -> None:
    wrong = write_bundle(tmp_path / "2.godwit", golden_from=(MODELS / "tiny-int8.tflite").read_bytes(), version="2")
    device.repository.add(wrong)
    done = device.install()
    assert done.returncode == 5
    assert "golden input" in done.stderr
    assert device.active() == "1"
    assert device.history()["entries"][-1]["event"] == "update_rejected"


def test_more_memory_than_there_is_or_than_it_may_take(device: Updated, tmp_path: Path) -> None:
    device.repository.add(version(tmp_path, "2", model={"memory_mb": 10**9}))
    assert "MB in this machine" in device.install().stderr
    device.repository.add(version(tmp_path, "3", limits=Limits(100, 3)))
    done = device.install()
    assert done.returncode == 5
    assert "memory: expected at most 3 MB" in done.stderr
    assert device.active() == "1"


def test_a_damaged_journal_is_set_aside_and_what_is_not_proven_is_left(device: Updated, tmp_path: Path) -> None:
    device.repository.add(version(tmp_path, "2"))
    assert device.install().returncode == 0
    (device.root / "update" / "journal.json").write_bytes(b'{"state": "flying"}')
    assert "journal" in device.says("history").stderr
    device.says("mark-good")
    told = device.history()
    assert device.active() == "1"
    assert [each["event"] for each in told["entries"]] == ["update_committed", "update_lost", "update_rejected"]
    assert (device.root / "update" / "journal.damaged").exists()


def test_a_loop_of_reboots_is_broken(device: Updated, tmp_path: Path) -> None:
    device.repository.add(version(tmp_path, "2"))
    assert device.install().returncode == 0
    journal = device.root / "update" / "journal.json"
    journal.write_bytes(journal.read_bytes().replace(b'"starts":0', b'"starts":3'))
    device.configure('[update]\nurl = "http://127.0.0.1:9"')
    done = device.says("update")
    assert done.returncode == 5
    assert "proving was begun 4 times" in done.stderr
    assert device.active() == "1"


def test_a_bundle_by_hand_is_taken_at_once_even_where_a_slot_is_damaged(device: Updated, tmp_path: Path) -> None:
    (device.root / "slots" / "a" / "models" / "null.json").unlink()
    done = device.says("install", null_bundle(tmp_path / "hand.godwit"), "--json")
    assert not json.loads(done.stdout)["on_probation"]
    assert device.says("rollback").returncode == 4
