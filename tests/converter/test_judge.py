"""Candidates against float, sample by sample, on halves of the data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter import compare, halves, judge
from tests.converter.told import Told, classes


def test_classes_with_labels_lose_accuracy_and_the_damage_is_told_by_class(tmp_path: Path) -> None:
    targets = [0, 0, 1, 1, 2]
    float_ = Told(tmp_path / "f.npz", classes(0, 0, 1, 1, 0), targets)
    other = Told(tmp_path / "o.npz", classes(0, 0, 1, 2, 0), targets)
    judging = judge.judge("classification", None, ["ant", "bee", "cat"], 1, *float_.both)
    found = judging.chosen_on(*other.both)
    assert (found.score, found.reference_score, found.agreement_percent, found.drop_points) == (0.6, 0.8, 80.0, 20.0)
    assert [(each.label, each.items, each.reference_percent, each.candidate_percent) for each in found.classes] == [
        ("ant", 2, 100.0, 100.0),
        ("bee", 2, 100.0, 50.0),
        ("cat", 1, 0.0, 0.0),
    ]
    assert found.drop_low_points is not None
    assert found.drop_low_points < 20 < (found.drop_high_points or 0)
    assert judging.confirmed_on(*other.both) is None  # five items have no halves
    assert judging.yardstick() == "top-1 accuracy, lost against float in percentage points"


def test_classes_without_labels_lose_agreement(tmp_path: Path) -> None:
    float_, other = (
        Told(tmp_path / "f.npz", classes(0, 1, 2, 2)),
        Told(tmp_path / "o.npz", classes(0, 1, 2, 1)),
    )
    judging = judge.judge("classification", None, [], 1, *float_.both)
    found = judging.chosen_on(*other.both)
    assert (found.score, found.agreement_percent, found.drop_points) == (None, 75.0, 25.0)
    assert "no labels" in judging.yardstick()


def test_values_with_labels_lose_by_the_growth_of_their_error(tmp_path: Path) -> None:
    float_ = Told(tmp_path / "f.npz", [[2.0], [4.0]], [[0.0], [2.0]], classes=False)
    other = Told(tmp_path / "o.npz", [[2.5], [4.5]], [[0.0], [2.0]], classes=False)
    found = judge.judge("regression", None, [], 1, *float_.both).chosen_on(*other.both)
    assert (found.score, found.agreement_percent, found.drop_points) == (2.5, None, 25.0)
    assert found.classes == []


def test_values_without_labels_lose_by_their_share_of_the_range(tmp_path: Path) -> None:
    float_ = Told(tmp_path / "f.npz", [[0.0], [10.0]], classes=False)
    other = Told(tmp_path / "o.npz", [[0.5], [10.5]], classes=False)
    judging = judge.judge("regression", None, [], 1, *float_.both)
    assert judging.chosen_on(*other.both).drop_points == pytest.approx(5.0)
    constant = Told(tmp_path / "c.npz", [[1.0], [1.0]], classes=False)
    same = judge.judge("regression", None, [], 1, *constant.both).chosen_on(*constant.both)
    assert same.drop_points == 0.0


def test_each_half_is_judged_by_its_own_items(tmp_path: Path) -> None:
    targets = np.arange(300) % 3
    float_ = Told(tmp_path / "f.npz", classes(*targets), targets)
    judging = judge.judge("classification", None, [], 7, *float_.both)
    assert judging.split is not None
    wrong = targets.copy()
    wrong[judging.split.confirming] = (wrong[judging.split.confirming] + 1) % 3
    other = Told(tmp_path / "o.npz", classes(*wrong), targets)
    confirmed = judging.confirmed_on(*other.both)
    assert confirmed is not None
    assert (judging.chosen_on(*other.both).drop_points, confirmed.drop_points) == (0.0, 100.0)
    assert confirmed.items == 150


@given(st.lists(st.integers(0, 4), min_size=100, max_size=400), st.integers(0, 2**64 - 1))
def test_halves_are_whole_equal_stratified_and_repeatable(labels: list[int], seed: int) -> None:
    targets = np.array(labels)
    found = halves.split(targets, seed)
    assert found is not None
    assert sorted([*found.choosing, *found.confirming]) == list(range(len(targets)))
    assert 0 <= len(found.choosing) - len(found.confirming) <= 1
    for label in set(labels):
        counts = [int((targets[half] == label).sum()) for half in found]
        assert abs(counts[0] - counts[1]) <= 1
    again = halves.split(targets, seed)
    assert again is not None
    assert np.array_equal(again.choosing, found.choosing)


def test_values_are_split_over_their_range_and_another_seed_splits_otherwise() -> None:
    targets = np.random.default_rng(0).exponential(1.0, (1000, 1))
    one, other = halves.split(targets, 1), halves.split(targets, 2)
    assert one is not None
    assert other is not None
    assert not np.array_equal(one.choosing, other.choosing)
    top = np.sort(targets[:, 0])[900]
    assert int((targets[one.choosing] >= top).sum()) == 50


def test_fewer_than_a_hundred_items_are_not_split() -> None:
    assert halves.split(np.zeros(99, int), 1) is None


def test_it_says_what_the_items_cannot_show() -> None:
    wide = compare.Comparison(
        items=100, score=0.9, reference_score=0.9, agreement_percent=99, drop_points=0,
        drop_low_points=-2, drop_high_points=2,
    )  # fmt: skip
    assert compare.caution(wide, 0.5) == "with 100 items, 0.5 points cannot be told apart"
    assert compare.caution(wide, 5) == ""
