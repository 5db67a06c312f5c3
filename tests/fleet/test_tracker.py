"""The tracker against a plain set of everything seen, which is what it stands for in bounded memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.tracker import Tracker

arrivals = st.lists(st.integers(1, 60), min_size=1, max_size=120)


def _see_all(tracker: Tracker, numbers: list[int], spool: str = "aaaaaaaa") -> list[bool]:
    return [tracker.see("door-7", "prediction", spool, number).repeated for number in numbers]


@given(arrivals)
def test_counts_are_those_of_a_set(numbers: list[int]) -> None:
    tracker = Tracker()
    repeated = _see_all(tracker, numbers)

    distinct = set(numbers)
    assert repeated == [number in numbers[:index] for index, number in enumerate(numbers)]
    assert tracker.totals().received == len(distinct)
    assert tracker.totals().duplicates == len(numbers) - len(distinct)
    assert tracker.totals().missing == max(distinct) - min(distinct) + 1 - len(distinct)


@given(arrivals, st.randoms(use_true_random=False))
def test_totals_do_not_depend_on_the_order(numbers: list[int], order: object) -> None:
    shuffled = list(numbers)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its Random as an object
    one, other = Tracker(), Tracker()
    _see_all(one, numbers)
    _see_all(other, shuffled)
    assert one.totals() == other.totals()


@given(arrivals)
def test_reported_gaps_add_up_unless_they_close(numbers: list[int]) -> None:
    tracker = Tracker()
    reported = sum(tracker.see("door-7", "event", "aaaaaaaa", number).missing for number in sorted(numbers))
    assert reported == tracker.totals().missing


@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=200, unique=True))
def test_memory_is_bounded_and_nothing_is_counted_twice(numbers: list[int]) -> None:
    tracker = Tracker(max_holes=3)
    _see_all(tracker, sorted(numbers))
    assert len(tracker._streams["door-7", "prediction", "aaaaaaaa"]._starts) <= 4  # the bound itself has no other door
    assert tracker.totals().received == len(numbers)
    assert tracker.totals().missing == max(numbers) - min(numbers) + 1 - len(numbers)


def test_a_new_spool_counts_from_one() -> None:
    tracker = Tracker()
    _see_all(tracker, [7, 8])
    first = tracker.see("door-7", "prediction", "bbbbbbbb", 3)
    assert first.new_spool
    assert first.missing == 2
    assert not tracker.see("door-7", "prediction", "bbbbbbbb", 1).repeated
    assert tracker.totals() == (4, 0, 1)


def test_devices_and_classes_count_apart() -> None:
    tracker = Tracker()
    for device, kind in (("a", "event"), ("a", "prediction"), ("b", "event")):
        sighting = tracker.see(device, kind, "aaaaaaaa", 1)
        assert not sighting.repeated
        assert not sighting.new_spool


def test_a_forgotten_stream_keeps_its_totals() -> None:
    tracker = Tracker(max_streams=2)
    for device in ("a", "b", "c"):
        for number in (1, 3):
            tracker.see(device, "event", "aaaaaaaa", number)
    assert tracker.totals() == (6, 0, 3)
