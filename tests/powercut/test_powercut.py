"""Sixty of the cuts that `make powercut` makes, and whether the harness would notice a brick."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from edge_agent.ota.slots import Slots
from edge_agent.ota.states import TABLE, Row
from tests.powercut import material, paths
from tests.powercut.cuts import Bench, Cut, Recorded, plan, some
from tests.powercut.judge import BrickedError

CUTS = 60

pytestmark = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not here")


@pytest.fixture(scope="module")
def room() -> Iterator[Path]:
    with material.room() as folder:
        yield folder


@pytest.fixture(scope="module")
def bench(room: Path) -> Bench:
    return Bench(material.make(room / "light"), room)


def bricked(bench: Bench, recorded: Sequence[Recorded], cuts: Sequence[Cut]) -> list[str]:
    """What was bricked by which of `cuts`."""
    found = []
    for cut in cuts:
        try:
            bench.make(cut, recorded[cut.way])
        except BrickedError as error:
            found.append(f"{cut.name}: {error}")
    return found


def test_no_cut_bricks_a_device(bench: Bench) -> None:
    recorded = [bench.record(way) for way in paths.every()]
    cuts = some(list(plan(recorded)), CUTS)
    assert {recorded[cut.way].way.what for cut in cuts} == {"deployment", "agent", "first"}
    assert bricked(bench, recorded, cuts) == []


def test_a_cut_with_a_real_model_and_a_real_agent(room: Path) -> None:
    heavy = Bench(material.make(room / "heavy", real=True), room / "real")
    way = paths.through()[0]
    recorded = heavy.record(way)
    switch = next(number for number, call in enumerate(recorded.changes) if _is_switch(recorded, call))
    assert bricked(heavy, [recorded], [Cut(0, switch + 1, real=True)]) == []


def _is_switch(recorded: Recorded, number: int) -> bool:
    call = recorded.calls[number]
    return call.name == "rename" and call.arguments[1].endswith("/slots/active")


@pytest.mark.parametrize("what", ["deployment", "agent", "first"])
def test_it_notices_what_is_switched_before_it_is_on_the_disk(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: paths.What
) -> None:
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda handle: fsync(handle) if stat.S_ISDIR(os.fstat(handle).st_mode) else None)
    recorded = [bench.record(next(way for way in paths.every() if way.what == what))]
    last = len(recorded[0].changes) - 1
    assert bricked(bench, recorded, [Cut(0, last, "content")])


def test_it_notices_a_bundle_that_is_unpacked_over_the_active_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Slots, "stage", lambda self, bundle, slot: bundle.extract(self.folder / "active"))
    recorded = [bench.record(paths.through()[1])]
    half = len(recorded[0].changes) // 2
    assert bricked(bench, recorded, [Cut(0, number) for number in range(half - 10, half + 10, 4)])


def test_a_new_row_is_cut_without_anybody_writing_a_test() -> None:
    new = Row("testing", "unhealthy", "giving_up", "give_up", "again")
    ways = paths.through((*TABLE, new))
    assert [way for way in ways if way.script.get("testing") == "unhealthy"]
    taken = {(row.state, row.event) for row in TABLE if row.state != "idle"}
    assert taken == {step for way in paths.through() for step in way.script.items()}
