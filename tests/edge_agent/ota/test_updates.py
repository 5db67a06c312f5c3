"""`edge-agent update` beside a running agent: what is new is brought, tried, taken over, judged, and kept or left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edge_agent import clock
from edge_agent.layout import Root
from edge_agent.ota import looking
from edge_agent.ota.holding import held
from edge_agent.ota.journal import Journal
from edge_agent.update_config import Update
from tests.edge_agent.ota.fleet_of_one import Updated, served, version
from tests.edge_agent.support import wait_until


@pytest.fixture
def device(tmp_path: Path) -> Updated:
    return Updated(tmp_path)


def test_what_does_well_stays_and_what_does_not_is_left_for_good(device: Updated, tmp_path: Path) -> None:
    device.answers_forever()
    with served(device.repository.folder) as url, device.running():
        wait_until(lambda: device.status().get("predictions", 0) > 0, "predictions")
        device.configure(f'[update]\nurl = "{url}"\nprove_minutes = 0\nprove_predictions = 20')
        device.repository.add(version(tmp_path, "2"), against=tmp_path / "1.godwit", xz=True)
        done = device.says("update", "--now", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["result"] == "update_committed"
        wait_until(lambda: device.status()["version"] == "2", "the agent to run version 2")

        told = device.root / "etc" / "agent.toml"
        strict = "prove_predictions = 1000000\nprove_within_minutes = 0"
        told.write_text(told.read_text().replace("prove_predictions = 20", strict))
        device.repository.add(version(tmp_path, "3"))
        refused = device.says("update", "--now")
        assert refused.returncode == 5
        assert "must make 1000000" in refused.stderr
        wait_until(lambda: device.status()["version"] == "2", "the agent to run version 2 again")
        assert json.loads(device.says("update", "--now", "--json").stdout)["result"] == "rejected_before"

        told.write_text(told.read_text().replace(strict, "prove_predictions = 1"))
        device.repository.add(version(tmp_path, "4"))
        assert device.says("update", "--now").returncode == 0
        assert device.status()["worker_pid"] > 0
        wait_until(lambda: told_so_far(device) == "4", "the agent to have told of version 4")
    events = [event.name for event in device.spooled("event") if event.name.startswith("update_")]
    assert events == ["update_committed", "update_rejected", "update_committed"]
    found = device.history()
    assert [(each["event"], each["version"]) for each in found["entries"]] == [
        ("update_committed", "1"),
        ("update_committed", "2"),
        ("update_rejected", "3"),
        ("update_committed", "4"),
    ]
    assert [each["version"] for each in found["rejected"]] == ["3"]
    by_patch = found["entries"][1]
    assert by_patch["way"] == "bsdiff4"
    assert by_patch["fetched_bytes"] < (tmp_path / "2.godwit").stat().st_size / 2
    assert set(by_patch["spent_s"]) >= {"fetching", "staging", "testing", "activating", "proving"}


def told_so_far(device: Updated) -> str:
    """Version of the last entry of the history that became an event."""
    told = device.root / "var" / "updates-told.json"
    return str(json.loads(told.read_bytes())["version"]) if told.exists() else ""


def test_it_looks_when_it_is_time_or_when_it_is_asked(device: Updated) -> None:
    with served(device.repository.folder) as url:
        device.configure(f'[update]\nurl = "{url}"')
        results = []
        for ask in (False, False, True, False):
            if ask:
                (device.root / "run" / "request").touch()
            results.append(json.loads(device.says("update", "--json").stdout)["result"])
    assert results == ["up_to_date", "not_due", "up_to_date", "not_due"]
    assert not (device.root / "run" / "request").exists()


def test_what_its_unit_took_counts_and_a_folder_in_place_of_a_request_holds_nothing_up(device: Updated) -> None:
    with served(device.repository.folder) as url:
        device.configure(f'[update]\nurl = "{url}"')
        device.says("update")
        (device.root / "update" / "asked").touch()
        (device.root / "run" / "request").mkdir()
        results = [json.loads(device.says("update", "--json").stdout)["result"] for _ in range(2)]
    assert results == ["up_to_date", "not_due"]


def test_devices_of_a_fleet_look_at_times_of_their_own_within_a_tenth() -> None:
    settings, now_ms, names = Update(interval_s=3600), clock.uptime_ms(), [f"door-{number}" for number in range(60)]

    def is_due(name: str, after_s: float) -> bool:
        looked = Journal(checked_boot=clock.boot_id(), checked_uptime_ms=now_ms - int(after_s * 1000))
        return looking.is_due(looked, settings, name)

    assert not any(is_due(name, 3500) for name in names)
    assert 10 < sum(is_due(name, 3780) for name in names) < 50
    assert all(is_due(name, 3970) for name in names)


def test_what_a_power_cut_left_is_removed_at_the_next_start(device: Updated) -> None:
    old = device.root / "agent" / ".b.old" / "edge_agent"
    old.mkdir(parents=True)
    left = [
        old / "cli.py",
        *(device.root / name for name in ("update/.journal.json.x1.tmp", "trust/.root.json.y2.tmp")),
    ]
    for path in left:
        path.touch()
    assert device.install().returncode == 0
    assert [path for path in left if path.exists()] == []
    assert not old.parent.exists()


def test_a_server_that_dies_in_mid_file_costs_only_what_is_missing(device: Updated, tmp_path: Path) -> None:
    bundle = version(tmp_path, "2")
    device.repository.add(bundle)
    size_bytes = bundle.stat().st_size
    with served(device.repository.folder, most_bytes=size_bytes // 2) as url:
        device.configure(f'[update]\nurl = "{url}"')
        done = device.says("update", "--now")
        assert done.returncode == 4, done.stderr
        assert (device.active(), device.history()["entries"][-1]["event"]) == ("1", "update_failed")
        assert device.install().returncode == 0  # what came is not fetched again, and the rest comes by a kit
    assert device.active() == "2"
    assert device.says("mark-good").returncode == 0
    assert device.history()["entries"][-1]["fetched_bytes"] == size_bytes - size_bytes // 2


def test_without_a_network_it_says_so_and_changes_nothing(device: Updated) -> None:
    device.configure('[update]\nurl = "http://127.0.0.1:9"')
    done = device.says("update", "--now")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert device.active() == "1"
    assert device.history()["entries"][-1]["event"] == "update_unavailable"


def test_a_captive_portal_is_no_repository(device: Updated, tmp_path: Path) -> None:
    portal = tmp_path / "portal" / "metadata"
    portal.mkdir(parents=True)
    for name in ("timestamp.json", "2.root.json"):
        (portal / name).write_text("<html>Please pay</html>")
    with served(portal.parent) as url:
        device.configure(f'[update]\nurl = "{url}"')
        done = device.says("update", "--now")
    assert done.returncode == 4
    assert "sign in to the network" in done.stderr
    assert device.active() == "1"
    assert device.history()["entries"][-1]["event"] == "update_unavailable"


def test_of_two_at_once_one_is_told_of_the_other(device: Updated) -> None:
    device.repository.add(version(device.folder, "2"))
    with held(Root(device.root), "update"):
        done = device.install()
    assert done.returncode == 4
    assert f"expected no other updater, found edge-agent update, process {os.getpid()}" in done.stderr
    assert device.active() == "1"
