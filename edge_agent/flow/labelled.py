"""A data set checked against the model that it is for, with its labels as class indices."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from edge_agent.flow.dataset import Dataset
from edge_agent.flow.preprocess import Preprocessor
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Model


class Labelled(NamedTuple):
    """A data set whose first item, and labels, fit the model.

    Attributes:
        targets: int64 [n] for a classification, float32 [n, values] for a regression, or None.
    """

    data: Dataset
    targets: Array | None


def checked(data: Dataset, model: Model) -> Labelled:
    """`data` with its labels in the model's terms.

    Raises:
        InputError: everything about shape, dtype and labels that does not fit.
    """
    problems: list[Problem] = []
    targets: Array | None = None
    try:
        Preprocessor(model.pre, model.inputs[0])(data[0])
    except InputError as error:
        problems += [problem._replace(where=str(data.path)) for problem in error.problems]
    if data.targets is not None:
        try:
            targets = _classes(data, model) if model.task == "classification" else _values(data, model)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return Labelled(data, targets)


def _classes(data: Dataset, model: Model) -> Array:
    labels = np.asarray(data.targets)
    if labels.dtype.kind == "U":
        return _named_classes(data, model)
    where, count = f"{data.path}: y", model.outputs[0].shape[-1]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        found = f"{labels.dtype} of shape {labels.shape}"
        raise InputError(Problem(where, "whole numbers [n], one class index an item", found, "give class indices"))
    if labels.min() < 0 or labels.max() >= count:
        found = f"{labels.min()} to {labels.max()}"
        raise InputError(Problem(where, f"labels from 0 to {count - 1}", found, "number the classes from 0"))
    return labels.astype(np.int64)


def _named_classes(data: Dataset, model: Model) -> Array:
    names, known = sorted(set(np.asarray(data.targets).tolist())), {name: i for i, name in enumerate(model.labels)}
    unknown = [name for name in names if name not in known]
    if unknown:
        expected = f"classes among {', '.join(model.labels[:8])}" if known else "labels in [model] to name the classes"
        raise InputError(Problem(str(data.path), expected, ", ".join(unknown[:8]), "rename them, or mend labels"))
    return np.array([known[name] for name in np.asarray(data.targets).tolist()], dtype=np.int64)


def _values(data: Dataset, model: Model) -> Array:
    targets, size = np.asarray(data.targets), int(np.prod(model.outputs[0].shape))
    where = f"{data.path}: y"
    if targets.dtype.kind not in "fiu" or targets[0].size != size:
        found = f"{targets.dtype} of shape {targets.shape}"
        raise InputError(Problem(where, f"{size} numbers an item", found, "give what the model's output means"))
    if not np.isfinite(targets).all():
        raise InputError(Problem(where, "finite numbers", "a NaN or an infinity", "drop these items"))
    return targets.reshape(len(targets), size).astype(np.float32)
