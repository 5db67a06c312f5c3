"""Declared post-processing: the model's output tensors become a result. The only place for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge_agent.flow.detection import DetectionHead
from edge_agent.flow.heads import AnomalyHead, ClassHead, EmbeddingHead, Head, RawHead, ValuesHead
from edge_agent.flow.segmentation import SegmentationHead
from edge_agent.runtimes.base import Array
from firmware_profiles import declared
from firmware_profiles.errors import BundleError
from firmware_profiles.manifest import Model
from firmware_profiles.results import Result
from firmware_profiles.words import Task

_HEADS: dict[Task, Callable[[Model], Head]] = {
    "classification": ClassHead,
    "regression": ValuesHead,
    "detection": DetectionHead,
    "segmentation": SegmentationHead,
    "anomaly": AnomalyHead,
    "embedding": EmbeddingHead,
    "raw": RawHead,
}


class Postprocessor:
    """Turns the outputs of one model into results, or into what a metric compares with labels.

    Attributes:
        answer: as in `heads.Head`.
    """

    def __init__(self, model: Model) -> None:
        """Raises BundleError where the declaration contradicts itself or the model."""
        if problems := list(declared.output_problems(model.post, model.task, model.labels, len(model.outputs))):
            raise BundleError(*problems)
        head = _HEADS[model.task](model)
        self._result = head.result
        self.answer = head.answer

    def __call__(self, outputs: Sequence[Array], tensor: Array, shape: tuple[int, ...]) -> Result:
        """The result; arguments and errors as in `heads.Head`."""
        return self._result(outputs, tensor, shape)
