"""Which recipes that train a conversion tries, or what they would bring and what they lack."""

from __future__ import annotations

from collections.abc import Sequence
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
        problems = [Problem(f"--recipe {only}", *lacking)] if lacking else []
        parse(only, "--recipe")
        if problems:
            raise InputError(*problems)
        return Trainable([only], "")
    if not whole or project.file.model.task not in _TASKS:
        return Trainable([], "")
    if lacking:
        return Trainable([], _GAIN if source.format in ("keras", "h5") else "")
    if not budget_s:
        return Trainable([], "--budget is 0")
    return Trainable(project.file.training.recipes or usual(recipes), "")


def usual(recipes: Sequence[str]) -> list[str]:
    """For profiles that take these recipes."""
    if "tflite-int8" in recipes:
        return list(USUAL)
    precision = "float16" if "tflite-float16" in recipes else "float32"
    return [f"{name}{precision}" for name in USUAL_IN_FLOAT] if f"tflite-{precision}" in recipes else []


def _lacking(project: Project, source: Source) -> tuple[str, str, str] | None:
    """Expected, found, next step; None where training can begin."""
    if source.format not in ("keras", "h5"):
        return "a Keras model (.keras, .h5), to be trained", source.format, "bring the model as .keras"
    if project.training is None:
        return "training data", "none", "give labelled items as training in [data], never those of evaluation"
    return None
