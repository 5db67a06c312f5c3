"""Rejected inputs are told without flooding. Pure: it is told the time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.rejected import Rejected


def test_a_few_are_told_one_by_one() -> None:
    rejected = Rejected()
    assert [rejected.told(f"odd {number}", 0.1 * number) for number in range(5)] == [f"odd {n}" for n in range(5)]


def test_of_a_flood_a_few_a_minute_with_the_count_of_the_others() -> None:
    rejected = Rejected()
    told = [text for number in range(60_000) if (text := rejected.told("noise", number / 1000))]
    assert len(told) <= 20 + 60 / 5
    assert told[-1].endswith("more since the last report)")
    assert rejected.count == 60_000


@given(st.lists(st.floats(0, 100), max_size=300))
def test_every_rejection_is_told_or_counted(steps_s: list[float]) -> None:
    rejected, now_s, told, others = Rejected(), 0.0, 0, 0
    for step_s in steps_s:
        now_s += step_s
        if text := rejected.told("odd", now_s):
            told += 1
            others += int(text.partition("(and ")[2].partition(" ")[0] or 0)
    left = len(steps_s) - told - others
    assert 0 <= left <= max(0, len(steps_s) - 20)
