"""Mean average precision of detections, as COCO counts it. Pure.

Lin, T.-Y. et al. (2014): "Microsoft COCO: common objects in context", ECCV, and its published evaluation
(cocodataset.org/#detection-eval): the mean over classes and over ten thresholds of overlap, from 0.50 to 0.95, of
the precision at 101 recalls.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
_OVERLAPS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0, 1, 101)
_MAX_DETECTIONS = 100


class _Matched(NamedTuple):
    """Detections of one class in one image: scores [n], and whether each is right at each threshold [thresholds, n]."""

    scores: Array
    right: Array


def mean(detections: Array, objects: Array) -> float:
    """From 0 to 1; NaN where there are no objects at all.

    Args:
        detections: [images, n, 6]; class, score, left, top, right, bottom. A class below 0 is none.
        objects: [images, n, 5]; class, left, top, right, bottom.
    """
    known = np.unique(objects[:, :, 0])
    of_classes = [_of_class(detections, objects, label) for label in known[known >= 0]]
    return float(np.mean(of_classes)) if of_classes else float("nan")


def _of_class(detections: Array, objects: Array, label: float) -> float:
    matched, count = [], 0
    for found, real in zip(detections, objects, strict=True):
        mine, wanted = found[found[:, 0] == label], real[real[:, 0] == label]
        order = np.argsort(-mine[:, 1], kind="stable")[:_MAX_DETECTIONS]
        matched.append(_Matched(mine[order, 1], _right(mine[order, 2:], wanted[:, 1:])))
        count += len(wanted)
    scores = np.concatenate([each.scores for each in matched])
    right = np.concatenate([each.right for each in matched], axis=1)[:, np.argsort(-scores, kind="stable")]
    return float(np.mean([_precision(at_threshold, count) for at_threshold in right]))


def _right(found: Array, real: Array) -> Array:
    """Best first, each detection takes the object that it overlaps most of those that are left."""
    right = np.zeros((len(_OVERLAPS), len(found)), bool)
    if not len(real):
        return right
    free = np.ones((len(_OVERLAPS), len(real)), bool)
    rows = np.arange(len(_OVERLAPS))
    for index, overlaps in enumerate(_overlaps(found, real)):
        possible = np.where(free & (overlaps >= _OVERLAPS[:, np.newaxis]), overlaps, -1)
        taken = possible.argmax(axis=1)
        right[:, index] = possible[rows, taken] >= 0
        free[rows, taken] &= ~right[:, index]
    return right


def _overlaps(found: Array, real: Array) -> Array:
    """Intersection over union [found, real]."""
    edges = (found[:, np.newaxis].astype(np.float64), real[np.newaxis].astype(np.float64))
    low = np.maximum(edges[0][..., :2], edges[1][..., :2])
    high = np.minimum(edges[0][..., 2:], edges[1][..., 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(each[..., 2:] - each[..., :2], axis=2) for each in edges]
    share: Array = common / np.maximum(areas[0] + areas[1] - common, 1e-12)
    return share


def _precision(right: Array, count: int) -> float:
    """The mean precision at the recalls, each the best at this recall or a higher one; 0 beyond what is reached."""
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    places = np.searchsorted(hits / count, _RECALLS, side="left")
    return float(np.append(best, 0.0)[places].mean())
