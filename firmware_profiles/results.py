"""What a model's outputs mean, by task: the part of a message that answers the question."""

from __future__ import annotations

import msgspec


class Input(msgspec.Struct, frozen=True):
    """Which input a prediction answers; the same after any restart.

    Attributes:
        source: name of the source in the agent's configuration.
        position: where in the source: an index in a data set, a file's name in a folder.
    """

    source: str
    position: int | str


class ClassScore(msgspec.Struct, frozen=True):
    """One class of a classification; `score` is a probability where the model gives one."""

    index: int
    label: str
    score: float


class Classification(msgspec.Struct, frozen=True, tag="classification", tag_field="task"):
    """The best classes, best first; none where all score below the declared threshold."""

    top: list[ClassScore]


class Regression(msgspec.Struct, frozen=True, tag="regression", tag_field="task", omit_defaults=True):
    """The values of the model's output, flattened in C order, scaled as declared.

    Attributes:
        names, units: of the values, where they are declared.
    """

    values: list[float]
    names: list[str] = []
    units: list[str] = []


class Box(msgspec.Struct, frozen=True):
    """Edges in pixels of the image as it came in, whatever was cut or resized for the model."""

    left: float
    top: float
    right: float
    bottom: float


class Detection(msgspec.Struct, frozen=True, omit_defaults=True):
    """One object.

    Attributes:
        then: what other models said about the part of the image in the box, by their names.
    """

    index: int
    label: str
    score: float
    box: Box
    then: dict[str, Result] = {}


class Detections(msgspec.Struct, frozen=True, tag="detection", tag_field="task"):
    """The objects in an image, best first."""

    objects: list[Detection]


class ClassShare(msgspec.Struct, frozen=True):
    """One class of a segmentation; `share` of the pixels, from 0 to 1."""

    index: int
    label: str
    share: float


class Segmentation(msgspec.Struct, frozen=True, tag="segmentation", tag_field="task"):
    """The classes that some pixel has, the largest first; bars around the image do not count."""

    classes: list[ClassShare]


class Anomaly(msgspec.Struct, frozen=True, tag="anomaly", tag_field="task"):
    """How unlike what it was trained on a model finds the input.

    Attributes:
        score: error of the reconstruction.
        is_anomaly: whether it is above the declared threshold; None without one.
    """

    score: float
    is_anomaly: bool | None


class Embedding(msgspec.Struct, frozen=True, tag="embedding", tag_field="task"):
    """A vector; alike inputs have vectors that lie close together."""

    vector: list[float]


class RawTensor(msgspec.Struct, frozen=True):
    """One output tensor; `values` in C order, `shape` with the batch dimension, which is 1."""

    name: str
    shape: list[int]
    values: list[float]


class Raw(msgspec.Struct, frozen=True, tag="raw", tag_field="task"):
    """The model's output tensors as they are."""

    tensors: list[RawTensor]


Result = Classification | Regression | Detections | Segmentation | Anomaly | Embedding | Raw
