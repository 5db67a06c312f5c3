"""A data set checked against the model that it is for, with its labels as class indices."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from edge_agent.flow.dataset import Dataset
from edge_agent.flow.detection import NOTHING
from edge_agent.flow.preprocess import Preprocessor
from edge_agent.flow.segmentation import VOID
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Model
from firmware_profiles.words import Task


class Labelled(NamedTuple):
    """A data set whose first item, and labels, fit the model.

    Attributes:
        targets: in the form that the task's function in `_TARGETS` gives; None without labels.
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
            targets = _TARGETS[model.task](data, model)
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return Labelled(data, targets)


def _classes(data: Dataset, model: Model) -> Array:
    """int64 [n]."""
    return _numbered(data, model, model.outputs[0].shape[-1])


def _verdicts(data: Dataset, model: Model) -> Array:
    """int64 [n]: 0 is normal, 1 an anomaly."""
    return _numbered(data, model, 2)


def _numbered(data: Dataset, model: Model, count: int) -> Array:
    labels = np.asarray(data.targets)
    if labels.dtype.kind == "U":
        return _named_classes(data, model)
    where = f"{data.path}: y"
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
    """float32 [n, values]."""
    targets, size = np.asarray(data.targets), int(np.prod(model.outputs[0].shape))
    where = f"{data.path}: y"
    if targets.dtype.kind not in "fiu" or targets[0].size != size:
        found = f"{targets.dtype} of shape {targets.shape}"
        raise InputError(Problem(where, f"{size} numbers an item", found, "give what the model's output means"))
    if not np.isfinite(targets).all():
        raise InputError(Problem(where, "finite numbers", "a NaN or an infinity", "drop these items"))
    return targets.reshape(len(targets), size).astype(np.float32)


def _boxes(data: Dataset, model: Model) -> Array:
    """float32 [n, objects, 5]: class, left, top, right, bottom in pixels; the class `NOTHING` fills it up."""
    rows = np.asarray(data.targets)
    where, step = f"{data.path}: y", f"give class, left, top, right, bottom, and class {NOTHING} where there is no more"
    if rows.dtype.kind not in "fiu" or rows.ndim != 3 or rows.shape[2] != 5 or not np.isfinite(rows).all():
        found = f"{rows.dtype} of shape {rows.shape}"
        raise InputError(Problem(where, "finite numbers [n, objects, 5]", found, step))
    objects = rows[rows[:, :, 0] != NOTHING]
    classes, most = objects[:, 0], len(model.labels) or np.inf
    if (classes != np.floor(classes)).any() or (classes < 0).any() or (classes >= most).any():
        expected = f"classes from 0 to {len(model.labels) - 1}" if model.labels else "whole classes from 0"
        raise InputError(Problem(where, expected, f"{classes.min():g} to {classes.max():g}", step))
    if (objects[:, 1] >= objects[:, 3]).any() or (objects[:, 2] >= objects[:, 4]).any():
        raise InputError(Problem(where, "left before right, and top before bottom", "other boxes", step))
    return rows.astype(np.float32)


def _pixels(data: Dataset, model: Model) -> Array:
    """uint8 [n, height, width] of the model's output: the class of each pixel, `VOID` where there is none."""
    pixels, shape = np.asarray(data.targets), model.outputs[0].shape
    size = shape[1:3] if model.pre.layout == "nhwc" or len(shape) == 3 else shape[2:4]
    if pixels.dtype.kind not in "iu" or pixels.shape[1:] != tuple(size):
        found, step = f"{pixels.dtype} of shape {pixels.shape}", f"give the class of each pixel, {VOID} for none"
        expected = f"whole numbers [n, {size[0]}, {size[1]}], as the model's output"
        raise InputError(Problem(f"{data.path}: y", expected, found, step))
    if pixels.min() < 0 or pixels.max() > VOID:
        found = f"{pixels.min()} to {pixels.max()}"
        raise InputError(Problem(f"{data.path}: y", f"classes from 0 to {VOID}", found, "number them from 0"))
    return pixels.astype(np.uint8)


def _as_they_are(data: Dataset, model: Model) -> Array:
    """Numbers [n, …] for a metric of the user's own; class names become numbers in the order of the alphabet."""
    targets = np.asarray(data.targets)
    if targets.dtype.kind == "U":
        _, numbers = np.unique(targets, return_inverse=True)
        return np.asarray(numbers, np.int64)
    if targets.dtype.kind not in "fiu":
        raise InputError(Problem(f"{data.path}: y", "numbers or names", str(targets.dtype), "leave y out, or mend it"))
    return targets


_TARGETS: dict[Task, Callable[[Dataset, Model], Array]] = {
    "classification": _classes,
    "regression": _values,
    "detection": _boxes,
    "segmentation": _pixels,
    "anomaly": _verdicts,
    "embedding": _as_they_are,
    "raw": _as_they_are,
}
