"""What `godwit convert` and a training process say to each other: one request, then JSON lines on stdout."""

from __future__ import annotations

from typing import Literal

import msgspec

from converter.protocol import Failed, Rejected
from converter.training.checkpoint import Point
from converter.training.room import Room
from converter.training.settings import Settings


class Train(msgspec.Struct, frozen=True, tag="train"):
    """Request.

    Attributes:
        model: the Keras model; of PyTorch code the state dict; `format` of it.
        layers: a Python file that registers the model's own; empty where it has none.
        recipe: name, as `steps.parse` reads it.
        task: of the project.
        data: .npz with t0 and y, of the training data.
        teacher: another Keras model, for PyTorch an exported program; empty for the model itself.
        target: file to write, without its suffix: .tflite after qat, otherwise .keras, for PyTorch .pt2.
        checkpoints: a folder that stays.
        key: what the training follows from.
        room: for a student that is sized by it.
        budget_s: training ends at the epoch that would pass it; 0 for no end.
        most_lost: accuracy, as a part of 1, that may be missing on held-out data when half of the epochs that
            recover are over; more is hopeless.
        code: "module:function" in `folder`, which builds a PyTorch network; empty for Keras.
        shape: of its input with the batch of 1.
        layout: of images in `data`.
    """

    model: str
    format: str
    recipe: str
    task: str
    data: str
    teacher: str
    target: str
    checkpoints: str
    key: str
    settings: Settings
    layers: str = ""
    room: Room = Room()
    budget_s: float = 0.0
    most_lost: float = 1.0
    code: str = ""
    folder: str = ""
    shape: list[int] = []
    layout: Literal["nhwc", "nchw"] = "nhwc"


class Told(msgspec.Struct, frozen=True, tag="told"):
    """Progress."""

    text: str


class Phase(msgspec.Struct, frozen=True):
    """One training of a recipe.

    Attributes:
        name: float, cluster or qat.
        best_epoch: whose weights were kept.
        diverged: it stopped at a loss that was no number any more; the best epoch before is kept.
    """

    name: str
    curve: list[Point]
    best_epoch: int
    diverged: bool


class Trained(msgspec.Struct, frozen=True, tag="trained"):
    """The file was written.

    Attributes:
        said: what each pass did.
        float_file: the model before int8 was simulated; empty where nothing was trained in float.
        before: accuracy of the model as it came, on the held-out part of the training data.
        zeros: part of the weights that multiply which are zero.
        seconds, cpu_seconds: of the training process, the second of all its threads together.
        peak_rss_mb: of the training process.
    """

    recipe: str
    file: str
    float_file: str
    seed: int
    said: list[str]
    phases: list[Phase]
    before: float
    zeros: float
    seconds: float
    cpu_seconds: float
    peak_rss_mb: float
    settings: Settings


Line = Told | Trained | Failed | Rejected
LINE: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
REQUEST: msgspec.json.Decoder[Train] = msgspec.json.Decoder(Train)
encode = msgspec.json.encode
