"""Non-maximum suppression: of boxes that overlap, the best stays. Pure.

Felzenszwalb, P. F. et al. (2010): "Object detection with discriminatively trained part-based models", IEEE
Transactions on Pattern Analysis and Machine Intelligence 32, 1627–1645, section 7.2; overlap is intersection over
union, as in Everingham, M. et al. (2010): "The PASCAL visual object classes (VOC) challenge", section 4.2.
"""

from __future__ import annotations

import numpy as np

from edge_agent.runtimes.base import Array


def overlaps(one: Array, others: Array) -> Array:
    """Intersection over union of a box [4] with others [n, 4]: left, top, right, bottom; 0 where both are empty."""
    wide = np.minimum(one[2], others[:, 2]) - np.maximum(one[0], others[:, 0])
    high = np.minimum(one[3], others[:, 3]) - np.maximum(one[1], others[:, 1])
    common = np.maximum(wide, 0) * np.maximum(high, 0)
    area = (one[2] - one[0]) * (one[3] - one[1])
    whole = area + (others[:, 2] - others[:, 0]) * (others[:, 3] - others[:, 1]) - common
    share: Array = np.divide(common, whole, out=np.zeros(len(others), common.dtype), where=whole > 0)
    return share


def suppressed(boxes: Array, scores: Array, classes: Array, iou: float, most: int) -> Array:
    """Indices of at most `most` boxes, best first: none overlaps a better one of its class by more than `iou`.

    Args:
        boxes: float [n, 4]; left, top, right, bottom.
        scores, classes: [n].
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order) and len(kept) < most:
        best, order = order[0], order[1:]
        kept.append(int(best))
        rivals = (classes[order] == classes[best]) & (overlaps(boxes[best], boxes[order]) > iou)
        order = order[~rivals]
    return np.array(kept, np.int64)
