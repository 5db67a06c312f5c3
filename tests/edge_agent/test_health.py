"""What health is made of: how far answers lie apart, and how much memory is left."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.channel import Answer
from edge_agent.monitor import memory
from edge_agent.monitor.distribution import distance
from edge_agent.record import Record
from firmware_profiles.results import Classification, ClassScore, Regression, Result

MB = 10**6
SOME = st.lists(st.sampled_from("abc"), min_size=1, max_size=30) | st.lists(
    st.floats(-5, 5, allow_nan=False), min_size=1, max_size=30
)


@given(SOME, SOME)
def test_a_distance_is_one(one: list[str | float], other: list[str | float]) -> None:
    found = distance(one, other)
    if isinstance(one[0], str) != isinstance(other[0], str):
        assert found is None
        return
    assert found is not None
    assert 0 <= found <= 1 + 1e-9
    assert found == pytest.approx(distance(other, one))
    assert distance(one, one) == 0
    assert distance(one, [*one, *one]) == pytest.approx(0)


def test_distances_by_hand() -> None:
    assert distance(["a", "a", "b", "c"], ["a", "b", "b", "d"]) == pytest.approx(0.5)
    assert distance([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0]) == pytest.approx(0.5)


def record(*results: Result) -> Record:
    made = Record()
    for result in results:
        made.add([Answer("m", result, 1.0)])
    return made


def of_class(label: str) -> Result:
    return Classification([ClassScore(0, label, 0.9)])


def test_of_few_answers_nothing_is_said() -> None:
    ants, bees = [of_class("ant")], [of_class("bee")]
    assert record(*ants * 49).distance(record(*bees * 60)) is None
    assert record(*ants * 50).distance(record(*bees * 60)) == 1
    assert record(*ants * 50).distance(record(*[Regression([1.0])] * 60)) is None
    assert record(*ants * 2000, *bees * 1000).distance(record(*bees * 60)) == 0


def test_the_smallest_of_machine_and_control_groups_is_left(tmp_path: Path) -> None:
    proc, groups = tmp_path / "proc", tmp_path / "cgroup"
    inner = groups / "system.slice" / "godwit.service"
    (proc / "self").mkdir(parents=True)
    inner.mkdir(parents=True)
    assert memory.available_mb(proc, groups) is None
    (proc / "meminfo").write_text("MemTotal: 4000000 kB\nMemAvailable:    1000000 kB\n")
    assert memory.available_mb(proc, groups) == pytest.approx(1024)
    (proc / "self" / "cgroup").write_text("0::/system.slice/godwit.service\n")
    for folder, limit in ((inner, "max"), (inner.parent, str(500 * MB))):
        (folder / "memory.max").write_text(f"{limit}\n")
        (folder / "memory.current").write_text(f"{450 * MB}\n")
        (folder / "memory.stat").write_text(f"anon 1\ninactive_file {100 * MB}\n")
    assert memory.available_mb(proc, groups) == pytest.approx(150)
