"""Whether training data, loss and model fit together, told before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from converter.training.data import Items
from firmware_profiles.errors import InputError, Problem

Shape = Sequence[int | None]


def check(takes: Shape, gives: Shape, items: Items, loss: str, where: str) -> None:
    """Raises InputError with everything in which they disagree.

    Args:
        takes, gives: shapes of the model's input and output without the batch; None where it leaves a size open.
        loss: crossentropy or squared.
    """
    problems = []
    found = items.x.shape[1:]
    if len(takes) != len(found) or any(a is not None and a != b for a, b in zip(takes, found, strict=True)):
        problems.append(Problem(f"{where}: x", f"items of {_told(takes)}", _told(found), "give the model's own input"))
    if loss == "crossentropy":
        problems += _label_problems(items, gives, where)
    elif tuple(items.y.shape[1:]) not in (tuple(gives), tuple(gives)[:-1] if gives[-1] == 1 else tuple(gives)):
        step = "give targets of that shape, or set loss in [training]"
        problems.append(Problem(f"{where}: y", f"targets of {_told(gives)}", _told(items.y.shape[1:]), step))
    if problems:
        raise InputError(*problems)


def _label_problems(items: Items, gives: Shape, where: str) -> list[Problem]:
    if len(gives) != 1 or items.y.ndim != 1 or not np.issubdtype(items.y.dtype, np.integer):
        found = f"outputs of {_told(gives)} and {items.y.dtype} targets of {_told(items.y.shape[1:])}"
        step = 'set loss = "squared" in [training]'
        return [Problem(f"{where}: y", "one output and one label an item for cross-entropy", found, step)]
    classes = max(2, gives[0] or 0)
    if (low := items.y.min()) < 0 or (high := items.y.max()) >= classes:
        found = f"label {low if low < 0 else high}"
        return [Problem(f"{where}: y", f"labels 0 to {classes - 1}", found, "give the labels that the model knows")]
    return []


def kind(loss: str, task: str) -> str:
    """crossentropy or squared, where the settings may leave it to the task."""
    if loss != "auto":
        return loss
    return "crossentropy" if task == "classification" else "squared"


def _told(shape: Shape) -> str:
    return "×".join(str(size or "?") for size in shape) or "one number"
