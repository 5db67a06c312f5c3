"""What looks wrong about the data, though nothing forbids it. Pure; each is one line with figures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from converter.judge import Judge

Array = npt.NDArray[Any]
_MAX_OUTSIDE = 0.01
"""Share of the evaluation's values that may lie outside the calibrated range: quantization clips them."""

_MAX_SPREAD = 4.0
"""How much wider than the evaluation's range the calibrated one may be: two of the eight bits are lost then."""


def of_ranges(calibration: Array, evaluation: Array) -> Iterator[str]:
    """Whether calibration covers what comes, and no more; input tensors float32 [n, …]."""
    low, high = float(calibration.min()), float(calibration.max())
    lowest, highest = float(evaluation.min()), float(evaluation.max())
    ranges = f"calibration runs from {low:.4g} to {high:.4g}, evaluation from {lowest:.4g} to {highest:.4g}"
    outside = float(np.mean((evaluation < low) | (evaluation > high)))
    if outside > _MAX_OUTSIDE:
        yield f"{100 * outside:.1f} % of the input values lie outside the calibrated range ({ranges}): they are clipped"
    elif high - low > _MAX_SPREAD * (highest - lowest) > 0:
        yield f"the calibrated range is far wider than the inputs ({ranges}): quantization steps become coarse"


def of_overlap(calibration: Array, evaluation: Array) -> Iterator[str]:
    """Whether items serve for both; raw inputs [n, …]."""
    known = {item.tobytes() for item in calibration}
    same = sum(item.tobytes() in known for item in evaluation)
    if same:
        yield (
            f"{same} of {len(evaluation)} evaluation items looked at are calibration items too:"
            " quantized candidates look better than they are; take other items"
        )


def of_labels(judging: Judge) -> Iterator[str]:
    """Whether the labels can tell good from bad."""
    reference = judging.reference
    if not judging.labelled or not len(reference.predicted):
        return
    found = np.unique(reference.targets)
    if len(found) == 1:
        yield f"every evaluation item has the label {found[0]}: what other classes lose cannot be seen"
    right, classes = float(np.mean(reference.predicted == reference.targets)), reference.outputs.shape[1]
    if right <= 1 / classes:
        yield (
            f"float itself gets {100 * right:.1f} % right, no more than guessing among {classes} classes:"
            " do the labels match the model's outputs, and [input] what it was trained on?"
        )
