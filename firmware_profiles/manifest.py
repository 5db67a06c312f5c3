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

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 1 << 20

Dimensions = Annotated[list[Annotated[int, Meta(ge=1, le=1 << 24)]], Meta(min_length=0, max_length=8)]


class AudioSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[input.audio]`: how a waveform becomes features, frame by frame; `edge_agent/flow/audio.py` has the formulas.

    Attributes:
        features: "log-mel" is the logarithm of the bands' energy; "mfcc" its cosine transform.
        sample_rate: of the waveform, in Hz; nothing is resampled.
        window_ms, hop_ms: length of a frame, and from the begin of one to the begin of the next.
        bands: of the mel scale, from `low_hz` to `high_hz`.
        coefficients: of the cosine transform that are kept, the first ones; only for "mfcc".
        power: exponent of the magnitudes that are summed into a band.
        floor: added before the logarithm.
        pre_emphasis: x[t] - pre_emphasis · x[t - 1] comes first; 0 for none.
    """

    features: Literal["log-mel", "mfcc"]
    sample_rate: Annotated[int, Meta(ge=1000, le=384_000)] = 16_000
    window_ms: Annotated[float, Meta(gt=0, le=10_000)] = 30.0
    hop_ms: Annotated[float, Meta(gt=0, le=10_000)] = 20.0
    bands: Annotated[int, Meta(ge=1, le=512)] = 40
    coefficients: Annotated[int, Meta(ge=1, le=512)] = 10
    low_hz: Annotated[float, Meta(ge=0, le=192_000)] = 20.0
    high_hz: Annotated[float, Meta(gt=0, le=192_000)] = 4000.0
    power: Literal[1, 2] = 1
    floor: Annotated[float, Meta(gt=0, le=1)] = 1e-6
    pre_emphasis: Annotated[float, Meta(ge=0, lt=1)] = 0.0


Statistic = Literal["mean", "std", "min", "max", "rms"]
Share = Annotated[float, Meta(ge=0, le=1)]


class InputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Declared pre-processing: how a raw input becomes the model's input tensor.

    An image (uint8, height × width × channels, RGB) is cut to `crop`, fitted into `height` × `width` where
    its size differs, and turned into `colour`. A waveform (int16, or float from -1 to 1) becomes the
    features of `audio`. A tensor keeps its shape, unless `statistics` are taken of it. Then all of them:
    `standardise`, `value * scale`, `- mean`, `/ std` (per channel, which is the last axis, or one for all),
    and the layout.

    Attributes:
        height, width: of the model's input in pixels; images only, 0 for tensors.
        resize: Pillow's filter of that name ("area" is its BOX); what is made smaller is averaged.
        fit: of an image with other proportions: "stretch" changes them, "letterbox" puts bars of `pad`
            around it, "crop" cuts off what is too much at both sides.
        crop: left, top, width, height of the part that is looked at, as shares of the image.
        pad: value of the bars, before scaling.
        standardise: subtract the mean of each channel of this input and divide by its standard deviation;
            of an image and of a whole waveform's features, too. A channel that does not vary becomes 0.
        statistics: of each channel of a window [samples, channels], in this order, channel after channel.
    """

    kind: Literal["image", "tensor", "audio"]
    height: Annotated[int, Meta(ge=0, le=8192)] = 0
    width: Annotated[int, Meta(ge=0, le=8192)] = 0
    colour: Literal["rgb", "bgr", "gray"] = "rgb"
    layout: Literal["nhwc", "nchw"] = "nhwc"
    resize: Literal["bilinear", "nearest", "bicubic", "area"] = "bilinear"
    scale: Finite = 1.0
    mean: list[Finite] = []
    std: list[Positive] = []
    fit: Literal["stretch", "letterbox", "crop"] = "stretch"
    crop: Annotated[list[Share], Meta(max_length=4)] = []
    pad: Annotated[int, Meta(ge=0, le=255)] = 114
    standardise: bool = False
    statistics: Annotated[list[Statistic], Meta(max_length=5)] = []
    audio: AudioSpec | None = None


Role = Literal["boxes", "scores", "classes", "count"]


class DetectionSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output.detection]`: how output tensors become boxes.

    Attributes:
        decoder: "boxes_scores_classes" takes boxes that the model has chosen itself, as TFLite's detection
            post-processing gives them; "yolo" takes one tensor whose rows are a box, an objectness if there is
            one, and a score a class, and suppresses all but the best of boxes of one class that overlap.
        tensors: what each output of the model is, for "boxes_scores_classes"; empty for "boxes", "classes",
            "scores", "count", the order of TFLite's.
        corners: order of a box's numbers: "xywh" is its centre and size. Empty for the decoder's own:
            "yxyx", and for "yolo" "xywh".
        unit: "share" of the model's input, or its "pixel". Empty for the decoder's own: "share", and for
            "yolo" "pixel".
        objectness: rows of "yolo" have one, which multiplies the scores.
        iou: of two boxes of one class that overlap by more, the better is kept; "yolo" only.
        max_detections: best first.
    """

    decoder: Literal["boxes_scores_classes", "yolo"]
    tensors: Annotated[list[Role], Meta(max_length=4)] = []
    corners: Literal["", "yxyx", "xyxy", "xywh"] = ""
    unit: Literal["", "share", "pixel"] = ""
    objectness: bool = False
    iou: Share = 0.45
    max_detections: Annotated[int, Meta(ge=1, le=1000)] = 100


class OutputSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Declared post-processing: how the model's output tensors become a result.

    Attributes:
        activation: applied to the model's output: "softmax" where it gives logits of classes of which one is
            right, "sigmoid" where each stands alone, else "none".
        top_k: how many classes a classification reports, best first.
        threshold: classification and detection report nothing that scores less; an anomaly is what scores
            more. Without it: every class, detections from 0.25, and no word about what is an anomaly.
        scale, offset: of a regression: `value * scale + offset`, per value or one for all.
        names, units: of the values of a regression, in their order.
        error: of an anomaly: mean squared or mean absolute error between input tensor and output.
        normalise: an embedding to the length 1.
        detection: for the task detection.
    """

    activation: Literal["none", "softmax", "sigmoid"] = "none"
    top_k: Annotated[int, Meta(ge=1, le=100)] = 3
    threshold: Finite | None = None
    scale: list[Finite] = []
    offset: list[Finite] = []
    names: list[str] = []
    units: list[str] = []
    error: Literal["mse", "mae"] = "mse"
    normalise: bool = False
    detection: DetectionSpec | None = None


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
        labels: class names in the order of the classes; empty where the output has none.
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


class Link(msgspec.Struct, frozen=True):
    """What one model finds is another one's input.

    Attributes:
        producer, consumer: names of models.
        what: "crops": the part of the image in each box that a detection found; "output": the producer's
            first output tensor, without its batch dimension.
    """

    producer: Name
    consumer: Name
    what: Literal["crops", "output"]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A whole deployment: its models switch together.

    Attributes:
        profiles: names of the device profiles it was made for; the first is the main one.
        arch, device_tree_model: how that device is recognised, as in its profile.
        sensors: the profile's, so that an agent needs no profile of its own.
        godwit: the version that wrote it.
        files: every other member of the bundle.
        links: between its models; inputs go to those that no other model feeds.
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
    links: Annotated[list[Link], Meta(max_length=32)] = []


def entries(manifest: Manifest) -> list[str]:
    """Names of the models that inputs go to."""
    fed = {link.consumer for link in manifest.links}
    return [model.name for model in manifest.models if model.name not in fed]


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
