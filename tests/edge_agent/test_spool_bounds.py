"""The declared bound holds for everything that the spool has on the disk, and what has no room is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent import clock, config
from edge_agent.link.spool import Spool, open_spool
from firmware_profiles.wire import CLASSES, MessageClass
from tests.edge_agent.spools import LARGE, crash, numbers, put, put_many, waiting

SMALL = config.Spool(max_mb=1)
FULL_DISK = Path(__file__).parent / "full_disk.py"
IN_A_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


def disk_bytes(folder: Path) -> int:
    """Of the spool, its write-ahead log, its index and the reserve."""
    return sum(max(path.stat().st_size, path.stat().st_blocks * 512) for path in folder.iterdir())


@pytest.mark.parametrize(("max_mb", "size"), [(0.5, 10), (0.5, 2100), (1.0, 300), (3.0, 9000)])
def test_all_files_together_keep_the_bound(max_mb: float, size: int, tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", config.Spool(max_mb=max_mb))
    largest = acknowledged = 0
    count = int(3 * max_mb * 1e6 / (size + 200))
    for index in range(count):
        put(spool, CLASSES[index % 3], size // 2 + index * 7919 % (size // 2))
        if spool.uncommitted == 100 or spool.group_is_large or index == count - 1:
            for message in filter(lambda message: spool.holds(message.id), spool.waiting()[::7]):
                spool.acknowledge(message.id)
                acknowledged += 1
            spool.commit()
            largest = max(largest, disk_bytes(tmp_path))
    assert largest <= max_mb * 1e6
    assert sum(spool.dropped.values()) == count - spool.messages - acknowledged > 0
    kept_bytes = sum(len(message.payload) for message in waiting(spool))
    assert kept_bytes > 0.1 * max_mb * 1e6


def test_a_full_spool_drops_telemetry_first_and_events_last(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", SMALL)
    for kind in CLASSES:
        put_many(spool, kind, 100)
    while not sum(spool.dropped.values()):
        put_many(spool, "event", 10)
    assert spool.dropped["telemetry"] > 0
    assert spool.dropped["prediction"] == 0
    put_many(spool, "event", 1000)
    assert spool.dropped["telemetry"] == spool.dropped["prediction"] == 100
    assert 0 < spool.dropped["event"] < 1000
    # Of a class the newest stay, without a gap.
    kept = numbers(spool, "event")
    assert kept == list(range(kept[0], kept[0] + len(kept)))
    assert kept[0] == spool.dropped["event"] + 1
    spool.close()
    assert open_spool(tmp_path / "s.db", SMALL).dropped == spool.dropped


def test_a_message_of_no_importance_does_not_drive_out_one_of_more(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", SMALL)
    put_many(spool, "event", 900)
    kept, dropped = numbers(spool, "event"), spool.dropped["event"]
    put_many(spool, "telemetry", 900)
    assert numbers(spool, "event") == kept
    assert spool.dropped["event"] == dropped
    assert spool.dropped["telemetry"] > 0


def test_what_was_given_and_then_dropped_is_known(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", SMALL)
    put_many(spool, "prediction", 20)
    given = spool.waiting()
    assert all(spool.holds(message.id) for message in given)
    put_many(spool, "event", 2000)
    assert not any(spool.holds(message.id) for message in given)
    spool.acknowledge(given[0].id)  # it came all the same, and is counted once
    spool.commit()
    assert spool.messages == len(numbers(spool, "event"))


def test_one_message_that_is_too_large_is_dropped_alone(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", SMALL)
    for size in (10, 60_000, 10):
        put(spool, "prediction", size)
    spool.commit()
    assert numbers(spool) == [1, 3]
    assert spool.dropped["prediction"] == 1
    spool.close()
    again = open_spool(tmp_path / "s.db", SMALL)
    put_many(again, "prediction", 1)
    assert numbers(again) == [1, 3, 4]


def test_a_bound_that_became_smaller_is_kept_too(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", config.Spool(max_mb=4))
    put_many(spool, "prediction", 6000)
    spool.close()
    again = open_spool(tmp_path / "s.db", SMALL)
    put_many(again, "prediction", 100)
    assert disk_bytes(tmp_path) <= 1e6
    assert numbers(again)[-1] == 6100


def put_at(spool: Spool, kind: MessageClass, at_s: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "uptime_ms", lambda: 1_000_000 + at_s * 1000)
    put(spool, kind)
    spool.commit()


def test_each_class_has_a_time_to_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ttl_s = config.TimeToLive(event=0, prediction=100, telemetry=10)
    spool = open_spool(tmp_path / "s.db", config.Spool(ttl_s=ttl_s))
    for at_s in range(0, 60, 5):
        for kind in CLASSES:
            put_at(spool, kind, at_s, monkeypatch)
    put_at(spool, "event", 60, monkeypatch)
    assert numbers(spool, "telemetry") == [11, 12]
    assert len(numbers(spool, "prediction")) == 12
    assert spool.expired == {"event": 0, "prediction": 0, "telemetry": 10}
    put_at(spool, "event", 140, monkeypatch)
    assert numbers(spool, "prediction") == [9, 10, 11, 12]
    assert len(numbers(spool, "event")) == 14
    crash(spool)
    again = open_spool(tmp_path / "s.db", LARGE)
    assert again.expired == {"event": 0, "prediction": 8, "telemetry": 12}
    assert sum(again.dropped.values()) == 0


def test_many_that_are_too_old_at_once_keep_the_bound_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path / "s.db", config.Spool(max_mb=8, ttl_s=config.TimeToLive(telemetry=10)))
    put_many(spool, "telemetry", 3000, 1500)
    kept = spool.messages
    put_at(spool, "event", 10**6, monkeypatch)
    assert spool.expired["telemetry"] == kept > 1000
    assert disk_bytes(tmp_path) <= 8e6


def test_on_a_disk_of_1_mb_that_others_fill_the_spool_works_on(tmp_path: Path) -> None:
    probe = subprocess.run([*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "none", str(tmp_path)], check=False)
    if probe.returncode:
        pytest.skip("this user may not mount a tmpfs in a namespace")
    done = subprocess.run([*IN_A_NAMESPACE, sys.executable, FULL_DISK, tmp_path], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["works on", "after a crash too", "gives room back"], done.stderr
