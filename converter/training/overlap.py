"""Evaluation items may not be trained on: what was learned by heart says nothing about the device."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from firmware_profiles.errors import InputError, Problem


def check(training: Path, evaluation: Path, where: str) -> None:
    """Raises InputError where raw inputs (`x` of .npz files) serve for both."""
    with np.load(training) as ours, np.load(evaluation) as theirs:
        known = {item.tobytes() for item in ours["x"]}
        looked_at = theirs["x"]
    same = sum(item.tobytes() in known for item in looked_at)
    if same:
        found = f"{same} of {len(looked_at)} evaluation items looked at"
        step = "leave the evaluation items out of the training data"
        raise InputError(Problem(where, "items that evaluation does not use", found, step))
