"""The manifest: what a bundle holds, what it needs, and what was promised about it.

`manifest.json` is the one file of a bundle that is parsed before anything else; every other member
is named in `files` with its hash. A reader of format 1 ignores keys that it does not know and
refuses another format number.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.profile import Sensors
from firmware_profiles.words import (
    Architecture,
    DelegateName,
    Finite,
    ModelFormat,
    Name,
    Positive,
    Precision,
    RuntimeName,
    Task,
    Version,
)

MAX_MANIFEST_BYTES = 1 << 20

Dimensions = Annotated[list[Annotated[int, Meta(ge=1, le=1 << 24)]], Meta(min_length=0, max_length=8)]


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Declared pre-processing: how a raw input becomes the model's input tensor.

    An image (uint8, height × width × channels, RGB) is resized to `height` × `width` where its size
    differs, turned into `colour`, then `value * scale`, `- mean`, `/ std` (per channel or one for
    all), then laid out. A tensor keeps its shape; scale, mean and std apply along its last axis.

    Attributes:
        height, width: of the model's input in pixels; images only, 0 for tensors.
        resize: Pillow's filter of that name.
    """

    kind: Literal["image", "tensor"]
    height: Annotated[int, Meta(ge=0, le=8192)] = 0
    width: Annotated[int, Meta(ge=0, le=8192)] = 0
    colour: Literal["rgb", "bgr", "gray"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    resize: Literal["bilinear", "nearest", "bicubic", "area"] = "bilinear"
    scale: Finite = 1.0
    mean: list[Finite] = []
    std: list[Positive] = []


class OutputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Declared post-processing: how the model's output tensor becomes a result.

    Attributes:
        activation: applied to the model's output: "softmax" where it gives logits, else "none".
        top_k: how many classes a classification reports, best first.
    """

    activation: Literal["none", "softmax"] = "none"
    top_k: Annotated[int, Meta(ge=1, le=100)] = 3


class Tensor(msgspec.Struct, frozen=True):
    """One input or output of the model file.

    Attributes:
        shape: with the batch dimension, which is 1.
        dtype: numpy's name for it.
    """

    name: str
    shape: Dimensions
    dtype: str


class RuntimeClaim(msgspec.Struct, frozen=True):
    """A runtime and delegate on which this model was run with the answers in its golden vectors.

    Attributes:
        min_version: the smallest version of the runtime that may load the model.
        tolerance: largest absolute difference from the expected outputs, in the output's own unit.
    """

    runtime: RuntimeName
    delegate: DelegateName
    min_version: str
    tolerance: Positive


class Model(msgspec.Struct, frozen=True):
    """One model of the deployment.

    Attributes:
        file, golden: members of the bundle. The golden vectors are an .npz: `x` holds raw inputs
            [n, …], `y0`, `y1`, … the expected raw outputs [n, …] of each output tensor.
        labels: class names in the order of the output's last axis; empty for regression.
        multiply_adds: of one inference.
        memory_mb: peak resident memory of the worker measured where the bundle was made, rounded up.
    """

    name: Name
    task: Task
    file: str
    format: ModelFormat
    precision: Precision
    recipe: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    pre: InputSpec
    post: OutputSpec
    runtimes: list[RuntimeClaim]
    golden: str = ""
    labels: list[str] = []
    multiply_adds: int = 0
    memory_mb: int = 0


class FileEntry(msgspec.Struct, frozen=True):
    """Hash and size of one member of the bundle."""

    sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    size_bytes: Annotated[int, Meta(ge=0, le=1 << 32)]


class Limits(msgspec.Struct, frozen=True):
    """What the deployment may cost on the device; copied from the profile."""

    p95_ms: Positive
    peak_rss_mb: Positive


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole deployment: its models switch together.

    Attributes:
        profiles: names of the device profiles it was made for; the first is the main one.
        arch, device_tree_model: how that device is recognised, as in its profile.
        sensors: the profile's, so that an agent needs no profile of its own.
        godwit: the version that wrote it.
        files: every other member of the bundle.
    """

    format: Literal[1] = 1
    name: Name
    version: Version
    godwit: str
    profiles: Annotated[list[Name], Meta(min_length=1)]
    arch: Architecture
    device_tree_model: str = ""
    sensors: Sensors = Sensors()
    models: Annotated[list[Model], Meta(min_length=1, max_length=16)]
    limits: Limits
    files: dict[str, FileEntry] = {}
    threads: Annotated[int, Meta(ge=1, le=256)] = 1


def encode(manifest: Manifest) -> bytes:
    """The manifest as indented JSON with sorted keys: the same bytes for the same manifest."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=2) + b"\n"


def decode(raw: bytes) -> Manifest:
    """Parse and check `manifest.json`.

    Raises:
        ValueError: it is not a manifest of format 1 (msgspec's errors are ValueErrors).
    """
    try:
        return msgspec.json.decode(raw, type=Manifest)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
