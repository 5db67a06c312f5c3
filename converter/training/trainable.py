"""Which recipes that train a conversion tries, or what they would bring and what they lack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from converter.source import Source
from converter.training.steps import USUAL, USUAL_IN_FLOAT, parse
from firmware_profiles.errors import InputError, Problem

if TYPE_CHECKING:
    from converter.project import Project

BUDGET_S = 900.0

_GAIN = (
    "int8 without loss, half the channels, or 70 % of the weights gone may be gained by training; give labelled"
    " items, never those of evaluation, as training in [data]"
)


_TASKS = ("classification", "regression")
"""Whose loss is known; another's is trained where the user names the recipe and gives targets."""


_TRAINED = ("keras", "h5", "torch")


class Trainable(NamedTuple):
    """Attributes: `gain`: what could be gained and is not tried, for people; empty where all is tried."""

    recipes: list[str]
    gain: str


def of(
    project: Project, source: Source, recipes: Sequence[str], only: str | None, whole: bool, budget_s: float
) -> Trainable:
    """The names, cheapest first.

    Args:
        recipes: of the profiles, which say in which precision they take a model.
        only: the one that the user names; `whole`: the user names none at all.

    Raises:
        InputError: `only` is no recipe, or cannot run.
    """
    lacking = _lacking(project, source)
    if only:
        problems = [*_unlike(only, source, "--recipe"), *([Problem(f"--recipe {only}", *lacking)] if lacking else [])]
        if problems:
            raise InputError(*problems)
        return Trainable([only], "")
    if not whole or project.file.model.task not in _TASKS:
        return Trainable([], "")
    if lacking:
        return Trainable([], _GAIN if source.format in _TRAINED else "")
    if not budget_s:
        return Trainable([], "--budget is 0")
    wanted = project.file.training.recipes or usual(recipes)
    if problems := [problem for name in wanted for problem in _unlike(name, source, str(project.path))]:
        raise InputError(*problems)
    return Trainable(wanted, "")


def usual(recipes: Sequence[str]) -> list[str]:
    """For profiles that take these recipes."""
    if "tflite-int8" in recipes:
        return list(USUAL)
    precision = "float16" if "tflite-float16" in recipes else "float32"
    return [f"{name}{precision}" for name in USUAL_IN_FLOAT] if f"tflite-{precision}" in recipes else []


def _lacking(project: Project, source: Source) -> tuple[str, str, str] | None:
    """Expected, found, next step; None where training can begin."""
    expected = "a Keras model (.keras, .h5) or PyTorch code with its state, to be trained"
    if source.format == "pt2":
        found = "an exported program, whose batch and normalizations are fixed"
        return expected, found, 'bring what it was exported from: source = "module:function", state = FILE'
    if source.format not in _TRAINED:
        return expected, source.format, "bring the model as one of these"
    if project.training is None:
        return "training data", "none", "give labelled items as training in [data], never those of evaluation"
    return None


def _unlike(name: str, source: Source, where: str) -> Iterator[Problem]:
    """What the recipe wants that nobody does to such a source. Raises InputError where it is no recipe."""
    steps = parse(name, where)
    if steps.student and source.format == "torch":
        step = f"give the small network as [[model.candidate]], or leave {steps.student} out"
        yield Problem(f"{where}: {name}", "steps that PyTorch code can take", steps.student, step)
