"""Training goes the same way twice, goes on after a power cut, and stops where it leads nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def facts(facts_of: Callable[[str], Any]) -> Any:
    return facts_of("facts_of_training")


def test_the_same_seed_gives_the_same_weights(facts: Any) -> None:
    assert facts["again"]
    assert not facts["other_seed"]


def test_after_a_power_cut_it_comes_to_the_same_end(facts: Any) -> None:
    assert facts["after_power_cut"]


def test_divergence_keeps_the_last_good_weights_and_says_so(facts: Any) -> None:
    found = facts["diverged"]
    assert found["diverged"]
    assert found["finite"]
    assert found["epochs"] < 6
    assert "no number any more" in found["told"][-1]


def test_each_epoch_is_told_with_loss_accuracy_and_time_left(facts: Any) -> None:
    assert len(facts["told"]) == 3
    assert facts["told"][0].startswith("epoch 1 of 3: loss ")
    assert "held out" in facts["told"][0]
    assert facts["told"][0].endswith("s left")


def test_a_budget_below_one_epoch_is_told(facts: Any) -> None:
    assert facts["no_time"].startswith("one epoch takes about")


def test_int8_is_trained_in_batches_of_64_at_least(facts: Any) -> None:
    small, least, large = facts["int8_by_batch"]
    assert small == least
    assert large != least


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ("shape", "train.npz: x: expected items of 8×8×1, found 4×8×1"),
        ("labels", "train.npz: y: expected labels 0 to 9, found label 14"),
        ("loss", "train.npz: y: expected targets of 10"),
        ("targets", "one label an item"),
    ],
)
def test_data_that_does_not_fit_is_named(facts: Any, case: str, told: str) -> None:
    assert told in facts["bad"][case][0]
