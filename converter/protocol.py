"""What `godwit convert` and its session process say to each other: JSON lines on stdin and stdout."""

from __future__ import annotations

import msgspec

from converter.recipes import Recipe
from firmware_profiles.manifest import Tensor
from firmware_profiles.words import Precision


class Port(msgspec.Struct, frozen=True):
    """One input or output of the source; a size of 0 is one that the source leaves open."""

    name: str
    shape: list[int]
    dtype: str


class Description(msgspec.Struct, frozen=True, tag="description"):
    """What the source is.

    Attributes:
        precision: float32 unless it was quantized before it came here.
    """

    inputs: list[Port]
    outputs: list[Port]
    precision: Precision


class Export(msgspec.Struct, frozen=True, tag="export"):
    """Request: write the model by `recipe` to `target`.

    Attributes:
        shape: of the input with its batch, which is 1; every size fixed.
        calibration: an .npz with `t0`, float32 [n, …] without the batch axis; empty where the recipe
            is float32 and the source is of another format, which gives a float model to go on from.
    """

    recipe: Recipe
    shape: list[int]
    calibration: str
    target: str


class Rank(msgspec.Struct, frozen=True, tag="rank"):
    """Request: how much does each layer suffer from `recipe`? Fields as in `Export`."""

    recipe: Recipe
    shape: list[int]
    calibration: str


class Layer(msgspec.Struct, frozen=True):
    """One operator of a model.

    Attributes:
        name: of its output.
        operator: as the format calls it; empty where it does not matter.
        snr_db: signal against the noise of quantization.
        pattern: of a recipe's scope that holds this layer and no other.
    """

    name: str
    operator: str
    snr_db: float
    pattern: str


class Exported(msgspec.Struct, frozen=True, tag="exported"):
    """The file was written.

    Attributes:
        multiply_adds: of one inference.
        layers: of a quantized model, each against float, in the order they run; empty where that is not known.
        said: what passes over the whole model did, for people.
    """

    inputs: list[Tensor]
    outputs: list[Tensor]
    multiply_adds: int
    layers: list[Layer] = []
    said: list[str] = []


class Ranked(msgspec.Struct, frozen=True, tag="ranked"):
    """The operators that compute, the one that suffers most first.

    Attributes:
        layers: signal-to-noise of the model's output where that layer alone is quantized.
    """

    layers: list[Layer]


class Declined(msgspec.Struct, frozen=True, tag="declined"):
    """This source cannot take this route, and that is no fault."""

    reason: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """A library failed."""

    reason: str


class Rejected(msgspec.Struct, frozen=True, tag="rejected"):
    """The source file is not what it must be: the user's to mend. Fields as in errors.Problem."""

    problems: list[tuple[str, str, str, str]]


class Elsewhere(msgspec.Struct, frozen=True, tag="elsewhere"):
    """This environment cannot load the source, and the toolchain that brings it to another format can."""

    reason: str


Reply = Description | Exported | Ranked | Declined | Failed | Rejected | Elsewhere
REPLY: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
Request = Export | Rank
REQUEST: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
encode = msgspec.json.encode
