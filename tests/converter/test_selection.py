"""A choice that is not confirmed on the other half gives way to the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from converter import judge, selection
from converter.build import Built, Evaluated
from converter.candidate import HERE, Candidate, Cost, Row
from converter.judge import Judge
from converter.plan import Target
from converter.project import GoalTable
from converter.recipes import BY_NAME
from firmware_profiles import profile as profiles
from tests.converter.told import Told, classes

RECIPES = ("tflite-float32", "tflite-int8", "tflite-float16")
ROW = Row("litert", "xnnpack")
TARGET = Target(profiles.load("linux-x86_64"), HERE, [BY_NAME[name] for name in RECIPES], {}, [ROW], [])
GOAL = GoalTable(max_drop_points=1.0)


@pytest.fixture
def judged(tmp_path: Path) -> tuple[Judge, Told]:
    targets = np.arange(300) % 3
    float_ = Told(tmp_path / "float.npz", classes(*targets), targets)
    return judge.judge("classification", None, [], 7, float_.outputs, float_.evaluation), float_


def built(judging: Judge, recipe: str, ratio: float, told: Told) -> Built:
    """A candidate that was evaluated and measured."""
    row = BY_NAME[recipe]
    cost = Cost(HERE, "litert", "xnnpack", "1", 1, 200, ratio, ratio, ratio, 1.0, 1.0, 1.0, 60.0)
    candidate = Candidate(
        key=recipe, recipe=row.name, made_by=row, title="", format=row.format, precision=row.precision,
        activations=None, outcome="measured", chosen_on=judging.chosen_on(told.outputs, told.evaluation), costs=[cost],
    )  # fmt: skip
    return Built(candidate, None, Evaluated(ROW, told.evaluation, told.outputs))


def flattered(judging: Judge, path: Path) -> Told:
    """Right on every item of the choosing half, wrong on a tenth of the other."""
    assert judging.split is not None
    predicted: Any = judging.reference.predicted.copy()
    wrong = judging.split.confirming[::10]
    predicted[wrong] = (predicted[wrong] + 1) % 3
    return Told(path, classes(*predicted), judging.reference.targets)


def test_the_next_is_confirmed_where_the_first_does_not_hold(judged: tuple[Judge, Told], tmp_path: Path) -> None:
    judging, float_ = judged
    candidates = [
        built(judging, "tflite-float32", 1.0, float_),
        built(judging, "tflite-int8", 0.3, flattered(judging, tmp_path / "int8.npz")),
        built(judging, "tflite-float16", 0.8, float_),
    ]
    assert selection.verdicts(GOAL, TARGET, candidates)[0].key == "tflite-int8"
    settled = selection.confirmed(GOAL, [TARGET], judging, candidates)
    verdicts = selection.verdicts(GOAL, TARGET, settled)
    assert (verdicts[0].key, verdicts[0].chosen) == ("tflite-float16", True)
    reasons = {verdict.key: verdict.reason for verdict in verdicts}
    assert reasons["tflite-int8"] == "was ahead, but loses 10.00 points on the half that confirms"
    assert all(each.candidate.confirmed_on for each in settled)


def test_who_was_never_ahead_is_not_asked(judged: tuple[Judge, Told]) -> None:
    judging, float_ = judged
    ratios = {"tflite-float32": 1.0, "tflite-int8": 0.3, "tflite-float16": 0.8}
    candidates = [built(judging, recipe, ratio, float_) for recipe, ratio in ratios.items()]
    settled = selection.confirmed(GOAL, [TARGET], judging, candidates)
    asked = [each.candidate.recipe for each in settled if each.candidate.confirmed_on]
    assert asked == ["tflite-float32", "tflite-int8"]  # float, since it is the yardstick


def test_without_halves_the_choice_stands(judged: tuple[Judge, Told]) -> None:
    judging, float_ = judged
    whole = judging._replace(split=None)
    candidates = [built(whole, "tflite-float32", 1.0, float_), built(whole, "tflite-int8", 0.3, float_)]
    settled = selection.confirmed(GOAL, [TARGET], whole, candidates)
    assert [each.candidate.confirmed_on for each in settled] == [None, None]
    assert selection.verdicts(GOAL, TARGET, settled)[0].key == "tflite-int8"
    assert msgspec.structs.asdict(settled[1].candidate)["chosen_on"].items == 300
