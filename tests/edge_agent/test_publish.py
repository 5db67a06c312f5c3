"""Which answers become messages. Pure: answers and times in, decisions out."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.channel import Answer
from edge_agent.publish import Publisher
from edge_agent.publish_config import Publish
from firmware_profiles.results import (
    Anomaly,
    Box,
    Classification,
    ClassScore,
    Detection,
    Detections,
    Embedding,
    Raw,
    Regression,
    Result,
)


def classes(label: str, score: float = 0.9) -> Result:
    return Classification([ClassScore(0, label, score)])


def objects(*found: tuple[str, float]) -> Result:
    return Detections([Detection(0, label, score, Box(0, 0, 1, 1)) for label, score in found])


def sent(rows: Sequence[Publish], results: Sequence[Result], step_s: float = 1.0) -> list[bool]:
    publisher = Publisher(rows)
    return [publisher.decide(Answer("m", result, 1.0), 100 + i * step_s).send for i, result in enumerate(results)]


def test_without_a_row_everything_is_sent() -> None:
    assert sent([], [classes("a")] * 3) == [True] * 3


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        ([classes("a", 0.9), classes("a", 0.5), classes("b"), classes("a")], [True, False, True, True]),
        ([Regression([1.0]), Regression([1.2]), Regression([1.6]), Regression([1.2])], [True, False, True, False]),
        # A slow drift adds up: what counts is the distance from what was sent last.
        ([Regression([1.0]), Regression([1.4]), Regression([1.8])], [True, False, True]),
        ([objects(("a", 0.9), ("b", 0.8)), objects(("b", 0.7), ("a", 0.6)), objects(("a", 1))], [True, False, True]),
        ([objects(), objects(("a", 1)), objects()], [True, True, True]),
        ([Anomaly(1.0, False), Anomaly(9.0, True), Anomaly(8.0, True)], [True, True, False]),
        ([Embedding([0.0, 1.0]), Embedding([0.2, 1.0]), Embedding([0.0, 2.0])], [True, False, True]),
    ],
)
def test_on_change(results: list[Result], expected: list[bool]) -> None:
    assert sent([Publish("change", by=0.5)], results) == expected


@pytest.mark.parametrize(
    ("result", "above", "below"),
    [
        (classes("a", 0.7), True, False),
        (classes("a", 0.3), False, True),
        (Classification([]), False, True),
        (objects(("a", 0.1), ("b", 0.8)), True, False),
        (objects(), False, True),
        (Regression([0.4, 9.0]), False, True),
        (Anomaly(2.0, None), True, False),
        (Raw([]), True, True),  # nothing to compare: rather sent than lost
    ],
)
def test_above_and_below_a_threshold(result: Result, above: bool, below: bool) -> None:
    assert sent([Publish("above", threshold=0.5)], [result]) == [above]
    assert sent([Publish("below", threshold=0.5)], [result]) == [below]


@given(st.lists(st.sampled_from("abc"), max_size=60), st.floats(0.5, 20))
def test_an_interval_counts_everything_once(labels: list[str], interval_s: float) -> None:
    publisher = Publisher([Publish("interval", interval_s=interval_s)])
    counted: list[str] = []
    waiting = 0
    for second, label in enumerate(labels):
        decision = publisher.decide(Answer("m", classes(label), 1.0), float(second))
        waiting += 1
        if decision.send:
            assert decision.summary is not None
            assert decision.summary.predictions == waiting == sum(decision.summary.counts.values())
            assert decision.summary.seconds >= interval_s
            counted += [name for name, count in decision.summary.counts.items() for _ in range(count)]
            waiting = 0
    assert sorted(counted) == sorted(labels[: len(labels) - waiting])


def test_a_row_of_its_own_goes_before_the_row_for_all() -> None:
    publisher = Publisher([Publish("below", threshold=0.0), Publish("every", model="m")])
    assert publisher.decide(Answer("m", classes("a"), 1.0), 0.0).send
    assert not publisher.decide(Answer("other", classes("a"), 1.0), 0.0).send
