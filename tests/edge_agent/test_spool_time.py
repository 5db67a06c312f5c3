"""Messages made while the clock said 1970 go out with their right time, once a clock of that boot was right."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge_agent import clock
from edge_agent.link.spool import Spool, open_spool
from tests.edge_agent.spools import LARGE, crash, events, put, waiting

BOOTED = datetime(2026, 11, 25, 12, 0, 0, tzinfo=timezone.utc)


class Machine:
    """The clocks of a device: turned by hand, since a test may not turn those of this machine."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot, self.uptime_s, self.right = "aaaaaaaa", 10, False
        monkeypatch.setattr(clock, "boot_id", lambda: self.boot)
        monkeypatch.setattr(clock, "uptime_ms", lambda: self.uptime_s * 1000)
        monkeypatch.setattr(clock, "is_synchronised", lambda: self.right)
        monkeypatch.setattr(clock, "now_s", lambda: self.uptime_s + self.right * BOOTED.timestamp())

    def put(self, spool: Spool) -> None:
        self.uptime_s += 5
        put(spool)
        spool.commit()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def times(spool: Spool) -> list[tuple[datetime, bool]]:
    return [(event.time, event.clock_trusted) for event in events(waiting(spool))]


def test_while_no_clock_is_right_messages_say_so(tmp_path: Path, machine: Machine) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    machine.put(spool)
    assert times(spool) == [(datetime(1970, 1, 1, 0, 0, 15, tzinfo=timezone.utc), False)]


def test_what_waits_when_the_clock_becomes_right_is_mended(tmp_path: Path, machine: Machine) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    machine.put(spool)
    machine.put(spool)
    before = [(event.seq, event.uptime_ms, event.boot) for event in events(waiting(spool))]
    machine.right = True
    machine.put(spool)
    assert times(spool) == [(BOOTED + timedelta(seconds=at_s), True) for at_s in (15, 20, 25)]
    assert [(event.seq, event.uptime_ms, event.boot) for event in events(waiting(spool))][:2] == before


def test_a_later_boot_still_knows_the_time_of_an_earlier_one(tmp_path: Path, machine: Machine) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    machine.put(spool)
    machine.right = True
    machine.put(spool)
    crash(spool)
    machine.boot, machine.uptime_s, machine.right = "bbbbbbbb", 3, False
    again = open_spool(tmp_path / "s.db", LARGE)
    machine.put(again)
    at_8_s = datetime(1970, 1, 1, 0, 0, 8, tzinfo=timezone.utc)
    mended = [(BOOTED + timedelta(seconds=at_s), True) for at_s in (15, 20)]
    assert times(again) == [*mended, (at_8_s, False)]


def test_a_boot_that_never_knew_the_time_stays_unknown(tmp_path: Path, machine: Machine) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    machine.put(spool)
    spool.close()
    machine.boot, machine.right = "bbbbbbbb", True
    again = open_spool(tmp_path / "s.db", LARGE)
    machine.put(again)
    assert [trusted for _, trusted in times(again)] == [False, True]


def test_boots_of_which_nothing_waits_are_forgotten(tmp_path: Path, machine: Machine) -> None:
    for number in range(5):
        machine.boot = f"{number:08x}"
        spool = open_spool(tmp_path / "s.db", LARGE)
        machine.put(spool)
        for message in waiting(spool):
            spool.acknowledge(message.id)
        spool.close()
    spool = open_spool(tmp_path / "s.db", LARGE)
    assert spool._connection.execute("SELECT count(*) FROM boots").fetchone() <= (2,)
