"""What a training is made of whatever framework computes its steps: an epoch of steps, and the rules that hold."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from converter.training import data
from converter.training.data import Items
from converter.training.settings import Settings

_TIMED_FROM, _TIMED_TO = 2, 8
"""Steps of the first epoch that tell how long one takes; the first of all builds the graph."""


class Rule(Protocol):
    """Something that holds while training goes on: zeros that stay zero, weights that are shared.

    Attributes:
        settled: the part of all steps, 0 to 1, from which on the model is in its last form.
    """

    settled: float

    def after_step(self, done: float) -> None:
        """Make it hold again; `done` is the part of all steps that is behind."""


class Kernel(Protocol):
    """Weights that multiply, [..., in, out]."""

    @property
    def shape(self) -> Any: ...

    def numpy(self) -> Any:
        """Their values."""

    def assign(self, values: Any) -> Any:
        """Give them others."""

    def keep(self, mask: Any) -> None:
        """Zero but where the mask, bool of the same shape, is True; it is asked for after each step."""


class Run(Protocol):
    """One training: a model, its optimizer and its rules."""

    def epoch(self, epoch: int, deadline_s: float) -> tuple[float, float]:
        """Mean loss and accuracy while training; see `epoch` below."""

    def judge(self, items: Items) -> tuple[float, float]:
        """The task's loss and the accuracy on items that are not trained on."""

    def weights(self) -> list[Any]:
        """Of the model alone, as arrays."""

    def put(self, weights: Sequence[Any]) -> None:
        """Give the model weights that it had."""

    def state(self) -> list[Any]:
        """All that the next epoch begins with, as arrays."""

    def restore(self, values: Sequence[Any]) -> None:
        """Begin where `state` was told; nothing where there is none."""


class TooLittleTimeError(Exception):
    """The time budget does not suffice for one epoch; the text says what it takes."""


def epoch(
    number: int,
    items: Items,
    settings: Settings,
    rules: Sequence[Rule],
    deadline_s: float,
    step: Callable[[Items], tuple[float, float]],
) -> tuple[float, float]:
    """Mean loss and accuracy while training; it ends early at a loss that is no number.

    Args:
        step: of one batch; its loss and accuracy.

    Raises:
        TooLittleTimeError: the first epoch cannot be ready by the deadline.
    """
    an_epoch = data.steps(items, settings)
    told, done, began_s = [], number * an_epoch, time.monotonic()
    for batch in data.batches(items, settings, number):
        told.append(step(batch))
        done += 1
        for rule in rules:
            rule.after_step(done / (an_epoch * settings.epochs))
        if not math.isfinite(told[-1][0]):
            break
        if len(told) == _TIMED_FROM:
            began_s = time.monotonic()
        if number == 0 and len(told) == _TIMED_TO:
            _check_time((time.monotonic() - began_s) / (_TIMED_TO - _TIMED_FROM) * an_epoch, deadline_s)
    loss, accuracy = np.mean(told, axis=0)
    return float(loss), float(accuracy)


def _check_time(epoch_s: float, deadline_s: float) -> None:
    left_s = deadline_s - time.monotonic()
    if epoch_s > left_s:
        raise TooLittleTimeError(
            f"one epoch takes about {epoch_s:.0f} s, and {max(0, left_s):.0f} s are left of --budget"
        )
