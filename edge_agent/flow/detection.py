"""Objects in an image: output tensors become boxes in pixels of that image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from edge_agent.flow.boxes import suppressed
from edge_agent.flow.geometry import placed
from edge_agent.flow.numbers import finite, label, sigmoid
from edge_agent.runtimes.base import Array
from firmware_profiles.declared import TFLITE_ORDER
from firmware_profiles.errors import BundleError, InputError, Problem
from firmware_profiles.manifest import Model
from firmware_profiles.results import Box, Detection, Detections

_THRESHOLD = 0.25
_MAX_RIVALS = 4096
"""Candidates that suppression looks at, best first: it bounds its time where a model calls everything an object."""

NOTHING = -1
"""Class of a row without an object, in labels and answers."""


class _Found(NamedTuple):
    """Candidates: boxes float32 [n, 4] as the model gives them, scores float32 [n], classes int [n]."""

    boxes: Array
    scores: Array
    classes: Array

    def at(self, which: Array) -> _Found:
        return _Found(*(each[which] for each in self))


class DetectionHead:
    """Detection by one decoder."""

    def __init__(self, model: Model) -> None:
        """Raises BundleError where no output has the numbers that the decoder wants."""
        spec = model.post.detection
        assert spec is not None
        self._spec, self._pre, self._labels = spec, model.pre, model.labels
        self._threshold = _THRESHOLD if model.post.threshold is None else model.post.threshold
        self._sigmoid = model.post.activation == "sigmoid"
        yolo = spec.decoder == "yolo"
        self._columns = 4 + spec.objectness + len(model.labels)
        if yolo and self._columns not in model.outputs[0].shape[1:]:
            expected = f"an output with 4 + {int(spec.objectness)} + {len(model.labels)} numbers a box"
            raise BundleError(Problem("output", expected, str(model.outputs[0].shape), "mend labels, or objectness"))
        self._decode = self._yolo if yolo else self._chosen_by_the_model
        self._corners = spec.corners or ("xywh" if yolo else "yxyx")
        self._unit = spec.unit or ("pixel" if yolo else "share")
        self._roles = spec.tensors or TFLITE_ORDER

    def result(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Detections:
        """The objects, best first."""
        objects = []
        for number, score, *edges in self._rows(outputs, shape).tolist():
            box = Box(*(round(edge, 2) for edge in edges))
            objects.append(Detection(int(number), label(self._labels, int(number)), score, box))
        return Detections(objects)

    def answer(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Array:
        """float32 [max_detections, 6]: class, score, left, top, right, bottom; the class `NOTHING` fills it up."""
        rows = self._rows(outputs, shape)
        filled = np.full((self._spec.max_detections, 6), NOTHING, np.float32)
        filled[: len(rows)] = rows
        return filled

    def _rows(self, outputs: Sequence[Array], shape: tuple[int, ...]) -> Array:
        """float32 [n, 6], best first: class, score, left, top, right, bottom."""
        found = self._decode(outputs)
        edges = self._in_the_image(found.boxes, shape)
        rows = np.column_stack([found.classes, found.scores, edges]).astype(np.float32)
        # What lies on a bar, or outside of the image, leaves an empty box.
        return rows[(edges[:, 0] < edges[:, 2]) & (edges[:, 1] < edges[:, 3])]

    def _chosen_by_the_model(self, outputs: Sequence[Array]) -> _Found:
        tensors = {role: finite(output) for role, output in zip(self._roles, outputs, strict=True)}
        boxes, scores = tensors["boxes"], tensors["scores"]
        classes = tensors.get("classes", np.zeros(len(scores), np.float32))
        if not len(boxes) == 4 * len(scores) == 4 * len(classes):
            sizes = f"{len(boxes)}, {len(scores)} scores, {len(classes)} classes"
            raise InputError(
                Problem("output", "four numbers a box, one score and class", sizes, "mend output.detection")
            )
        count = int(tensors["count"][0]) if "count" in tensors and len(tensors["count"]) else len(scores)
        found = _Found(boxes.reshape(-1, 4), scores, np.rint(classes).astype(np.int64))
        likely = np.flatnonzero(scores[: max(count, 0)] >= self._threshold)
        best = likely[np.argsort(-scores[likely], kind="stable")]
        return found.at(best[: self._spec.max_detections])

    def _yolo(self, outputs: Sequence[Array]) -> _Found:
        rows = finite(outputs[0]).reshape(outputs[0].shape[-2:])
        if rows.shape[1] != self._columns:
            rows = rows.T
        scores = sigmoid(rows[:, 4:]) if self._sigmoid else rows[:, 4:]
        if self._spec.objectness:
            scores = scores[:, 1:] * scores[:, :1]
        classes = scores.argmax(axis=1)
        best = scores[np.arange(len(scores)), classes]
        likely = np.flatnonzero(best >= self._threshold)
        if len(likely) > _MAX_RIVALS:
            likely = likely[np.argsort(-best[likely], kind="stable")[:_MAX_RIVALS]]
        found = _Found(rows[likely, :4], best[likely], classes[likely])
        kept = suppressed(self._edges(found.boxes), *found[1:], self._spec.iou, self._spec.max_detections)
        return found.at(kept)

    def _edges(self, boxes: Array) -> Array:
        """left, top, right, bottom, in the model's own unit."""
        if self._corners == "xywh":
            half = boxes[:, 2:] / 2
            return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)
        return boxes[:, [1, 0, 3, 2]] if self._corners == "yxyx" else boxes

    def _in_the_image(self, boxes: Array, shape: tuple[int, ...]) -> Array:
        """The edges in pixels of an image of that shape, inside it; as the model gives them where it saw no image."""
        edges = self._edges(boxes).astype(np.float64)
        if self._pre.kind != "image":
            return edges
        if self._unit == "share":
            edges *= (self._pre.width, self._pre.height) * 2
        placement = placed(self._pre, *shape[:2])
        x, y = placement.back(edges[:, 0::2], edges[:, 1::2])
        inside: Array = np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1).clip(0, (shape[1], shape[0]) * 2)
        return inside
