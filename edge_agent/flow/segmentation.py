"""What share of an image each class takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.flow.geometry import placed
from edge_agent.flow.numbers import finite, label
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import BundleError, InputError, Problem
from firmware_profiles.manifest import Model
from firmware_profiles.results import ClassShare, Segmentation

VOID = 255
"""Of a pixel that no label tells, as in PASCAL VOC; so there are at most 255 classes."""


class SegmentationHead:
    """The class of each pixel is that of its largest score; of one plane alone, whether it is positive.

    A model that gives the classes themselves [1, height, width] is believed.
    """

    def __init__(self, model: Model) -> None:
        """Raises BundleError where the first output is no plane of scores."""
        shape = model.outputs[0].shape
        self._axis = 1 if model.pre.layout == "nchw" else 3
        if len(shape) not in (3, 4) or (len(shape) == 4 and shape[self._axis] > VOID):
            expected = f"scores of at most {VOID} classes for each pixel, in 4 axes, or its class, in 3"
            raise BundleError(Problem("output", expected, str(shape), "correct the task, or layout in [input]"))
        # A probability is above one half where its logit is above 0.
        self._middle = 0.5 if model.post.activation == "none" else 0.0
        self._pre, self._labels = model.pre, model.labels

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Segmentation:
        """The shares, without what lies on bars."""
        pixels = self._without_bars(self.answer(outputs, tensor, shape), shape)
        counts = np.bincount(pixels.reshape(-1))
        order = np.argsort(-counts, kind="stable")
        return Segmentation(
            [
                ClassShare(index, label(self._labels, index), int(counts[index]) / pixels.size)
                for index in order.tolist()
                if counts[index]
            ]
        )

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """The class of each pixel, uint8 [height, width], of the model's output."""
        finite(outputs[0])
        scores = outputs[0][0]
        if scores.ndim == 2:
            classes = scores.clip(0, VOID)
        elif scores.shape[self._axis - 1] == 1:
            classes = scores.take(0, self._axis - 1) > self._middle
        else:
            classes = scores.argmax(axis=self._axis - 1)
        pixels: Array = classes.astype(np.uint8)
        return pixels

    def _without_bars(self, pixels: Array, shape: tuple[int, ...]) -> Array:
        if self._pre.kind != "image" or self._pre.fit != "letterbox":
            return pixels
        placement = placed(self._pre, *shape[:2])
        down, across = pixels.shape[0] / self._pre.height, pixels.shape[1] / self._pre.width
        top, bottom = (round(down * y) for y in (placement.pad_top, placement.pad_top + placement.fitted_height))
        left, right = (round(across * x) for x in (placement.pad_left, placement.pad_left + placement.fitted_width))
        part = pixels[top:bottom, left:right]
        if not part.size:
            step = "give images with proportions nearer to the model's"
            raise InputError(Problem("input", "an image that fills a pixel of the output", f"shape {shape}", step))
        return part
