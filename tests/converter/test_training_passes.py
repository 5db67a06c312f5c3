"""Each training pass on a small network of real digits: it does what it says, and refuses what it cannot do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def facts(facts_of: Callable[[str], Any]) -> Any:
    return facts_of("facts_of_passes")


def test_folding_changes_no_answer(facts: Any) -> None:
    assert facts["fold"]["difference"] < 1e-5
    assert facts["fold"]["left"] == 0
    assert len(facts["fold"]["said"]) == 4


def test_dead_channels_go_without_changing_an_answer(facts: Any) -> None:
    """Through additions, concatenations, depthwise layers, normalizations, flattening and dense layers."""
    found = facts["channels"]
    assert found["difference"] < 1e-5
    assert "first, second: 4 of 8 channels" in found["said"]
    assert {"left: 4 of 8 channels", "right: 4 of 8 channels", "hidden: 8 of 16 channels"} <= set(found["said"])
    assert found["weights"][1] < 0.4 * found["weights"][0]
    assert found["plain"] == ["keras"]


def test_what_is_left_makes_up_for_what_went(facts: Any) -> None:
    without, with_it = facts["refit"]["without"], facts["refit"]["with"]
    assert with_it[0] < 0.7 * without[0]
    assert with_it[1] > without[1]
    assert {"first", "left", "right", "depthwise", "hidden", "classes"} <= set(facts["refit"]["others"])
    assert not {"inner", "second"} & set(facts["refit"]["others"])


def test_every_criterion_tells_every_filter(facts: Any) -> None:
    expected = {"first": 8, "inner": 16, "second": 8, "left": 8, "right": 8, "hidden": 16, "classes": 10}
    assert all(told == expected for told in facts["channels"]["criteria"].values())


def test_what_an_addition_joins_stays_whole_inside(facts: Any) -> None:
    assert facts["channels"]["inside"] == {"inner": 0.5, "left": 0.5, "right": 0.5, "hidden": 0.5}


def test_what_hurts_less_loses_more(facts: Any) -> None:
    ratios = facts["channels"]["sensitivity"]
    assert set(ratios) == {"first", "inner", "left", "right", "hidden"}
    assert min(ratios.values()) == 0.25
    assert max(ratios.values()) == 0.75


def test_a_ratio_that_leaves_a_layer_empty_is_refused_by_name(facts: Any) -> None:
    assert len(facts["channels_bad"]) == 1
    assert "channels: left" in facts["channels_bad"][0]
    assert facts["prune_bad"]


@pytest.mark.parametrize(("scope", "zeros"), [("global", 0.7), ("layer", 0.7), ("blocks", 0.5)])
def test_zeros_are_as_many_as_asked_and_hold(facts: Any, scope: str, zeros: float) -> None:
    found = facts["prune"][scope]
    assert found["zeros"] == pytest.approx(zeros, abs=0.02 if scope != "blocks" else 0.1)
    assert found["after"] >= found["zeros"]
    assert max(found["layers"]) < 1


def test_by_layer_each_has_its_zeros(facts: Any) -> None:
    assert all(each == pytest.approx(0.7, abs=0.02) for each in facts["prune"]["layer"]["layers"])


def test_of_four_at_most_two_are_left(facts: Any) -> None:
    assert facts["prune"]["blocks"]["most_in_a_block"] == 2


@pytest.mark.parametrize("where", ["values", "float32", "int8"])
def test_weights_share_few_values_in_the_file_too(facts: Any, where: str) -> None:
    assert len(facts["cluster"][where]) == 8
    assert max(facts["cluster"][where]) <= 8


def test_the_export_computes_as_training_simulated(facts: Any) -> None:
    found = facts["qat"]
    assert found["same"] >= 0.995
    assert found["steps"] <= 32
    assert found["right"] >= facts["dense"] - 0.03


def test_the_export_has_the_learned_ranges(facts: Any) -> None:
    assert facts["qat"]["ranges"] >= 8
    assert facts["qat"]["missing"] == []


def test_a_mean_of_the_whole_image_has_a_range_of_its_own(facts: Any) -> None:
    assert facts["pooled"]["own"] == ["whole_range"]
    assert facts["pooled"]["steps"] <= 2


def test_what_is_held_out_is_judged_as_training_does_it(facts: Any) -> None:
    """By the teacher's answers, and before the answer is rounded: many probabilities are 0 then."""
    assert facts["taught"]["held_out"] < 3 * facts["taught"]["loss"]


def test_a_layer_without_int8_form_is_named(facts: Any) -> None:
    assert "model: odd" in facts["qat_bad"][0]
    assert "gelu" in facts["qat_bad"][0]


def test_hints_and_teachers_must_fit(facts: Any) -> None:
    assert facts["hints"]["epochs"] == 2
    assert "hint first" in facts["hints"]["bad"][0]
    assert "teacher: output" in facts["hints"]["teacher"][0]


@pytest.mark.parametrize("name", ["mobilenet", "squeezenet"])
def test_students_learn(facts: Any, name: str) -> None:
    assert facts["students"][name] > 0.5  # of ten digits


def test_a_mobilenet_is_as_large_as_there_is_room(facts: Any) -> None:
    found = facts["students"]
    costs = [found[key]["cost"] for key in ("any", "some", "little")]
    assert costs[0] > costs[1] > costs[2]
    assert "100 % width:" in found["any"]["said"][0]
    assert costs[1][0] <= 200_000
    assert costs[1][1] <= 5_000_000
    assert costs[2][1] <= 1_000_000
    assert "from images of half the size" in found["little"]["said"][0]
    assert all(found[key]["shape"] == [64, 64, 3] for key in ("any", "some", "little"))
    assert "squeezenet: expected a student of at most 1,000 weights" in found["none"][0]


def test_a_squeezenet_is_as_large_as_there_is_room(facts: Any) -> None:
    found = facts["students"]["squeezed"]
    assert 30_000 < found["cost"][0] <= 100_000
    assert found["cost"][1] <= 10_000_000
    assert "squeezenet of 35 % width" in found["said"][0]


@pytest.mark.parametrize(
    ("name", "told"), [("nested", "a model within"), ("shared", "called 2 times"), ("own", "mine")]
)
def test_models_that_cannot_be_rebuilt_are_named(facts: Any, name: str, told: str) -> None:
    assert told in facts["odd"][name][0]
