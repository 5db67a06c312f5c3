"""The recipes as rows of data, and which of them is the yardstick of a source."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.words import Precision, RecipeName

SourceFormat = Literal["keras", "h5", "savedmodel", "tflite", "onnx", "torch", "pt2"]
"""torch: the code of a network and its state dict; pt2: an exported PyTorch program."""
RecipeFormat = Literal["tflite", "onnx"]
Symmetry = Literal["asymmetric", "symmetric"]
Weights = Literal["float32", "float16", "int8", "int4"]
Activations = Literal["float", "dynamic", "int8", "uint8", "int16", "uint16"]
"""dynamic: quantized while the model runs, by the range of that one input."""
Granularity = Literal["channel", "tensor", "block"]
"""What shares a scale of the weights: an output channel, all of them, or 32 values of a row."""
Calibration = Literal["", "minmax", "percentile", "entropy", "mse", "learned"]
"""How the ranges of static activations follow from the calibration data; learned: from training, by it; empty where
there are none."""

MAX_CALIBRATION_ITEMS = 2000
"""Measured on ResNet8 (TFLite int8, min-max): which 100 to 1500 items are taken decides between 0.4
and 1.1 points lost; 2000 lose 0.3."""

MIN_CALIBRATION_ITEMS = 100
_CALIBRATION_BYTES = 512 << 20


def calibration_items(values: int) -> int:
    """How many items calibrate an input of so many float32 values: what fits into 512 MiB, within bounds."""
    return max(MIN_CALIBRATION_ITEMS, min(MAX_CALIBRATION_ITEMS, _CALIBRATION_BYTES // (4 * values)))


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Layers that a recipe treats in another way.

    Attributes:
        layers: a regular expression, searched in the name of the layer's output.
        recipe: the one of the same format that applies to them; "…-float32" leaves them as they are.
    """

    layers: Annotated[str, Meta(min_length=1, max_length=500)]
    recipe: RecipeName


class Recipe(msgspec.Struct, frozen=True):
    """One way to export a model; float32 inputs and outputs are kept by every one.

    Attributes:
        title: for people; weights are per channel where it says nothing else.
        symmetric: zero points of static activations are 0.
        equalized: the ranges of neighbouring channels are brought together first (see passes/equalize.py).
        float_stem: the first layer stays float32 (see passes/stem.py).
        sparse: zeros of 1 × 1 convolutions are stored as such (see passes/sparse_tflite.py).
        scopes: a later one wins.
    """

    name: RecipeName
    format: RecipeFormat
    title: str
    weights: Weights = "float32"
    activations: Activations = "float"
    granularity: Granularity = "channel"
    calibration: Calibration = ""
    symmetric: bool = False
    equalized: bool = False
    float_stem: bool = False
    sparse: bool = False
    scopes: tuple[Scope, ...] = ()

    @property
    def precision(self) -> Precision:
        """The one word for it that profiles and manifests know."""
        return "int16" if self.activations in ("int16", "uint16") else self.weights

    @property
    def static(self) -> bool:
        """Activations are quantized by ranges found beforehand."""
        return bool(self.calibration)

    @property
    def symmetry(self) -> Symmetry | None:
        """Of static activations; None where they stay float."""
        if not self.static:
            return None
        return "symmetric" if self.symmetric else "asymmetric"

    @property
    def file(self) -> str:
        """Name of the exported file."""
        return f"{self.name}.{self.format}"


RECIPES: tuple[Recipe, ...] = (
    Recipe("tflite-float32", "tflite", "TFLite, float32"),
    Recipe("tflite-float16", "tflite", "TFLite, float16 weights", "float16"),
    Recipe("tflite-int8", "tflite", "TFLite, static int8", "int8", "int8", calibration="minmax"),
    Recipe(
        "tflite-int8-equalized",
        "tflite",
        "TFLite, static int8, channels equalized",
        "int8",
        "int8",
        calibration="minmax",
        equalized=True,
    ),
    Recipe(
        "tflite-int8-stem",
        "tflite",
        "TFLite, static int8, first layer in float32",
        "int8",
        "int8",
        calibration="minmax",
        float_stem=True,
    ),
    Recipe(
        "tflite-int8-percentile",
        "tflite",
        "TFLite, static int8, ranges by percentile",
        "int8",
        "int8",
        calibration="percentile",
    ),
    Recipe(
        "tflite-int8-entropy", "tflite", "TFLite, static int8, ranges by entropy", "int8", "int8", calibration="entropy"
    ),
    Recipe(
        "tflite-int8-mse", "tflite", "TFLite, static int8, ranges by squared error", "int8", "int8", calibration="mse"
    ),
    Recipe(
        "tflite-int8-tensor", "tflite", "TFLite, static int8, weights per tensor", "int8", "int8", "tensor", "minmax"
    ),
    Recipe("tflite-int8-dynamic", "tflite", "TFLite, int8 weights, activations as they come", "int8", "dynamic"),
    Recipe("tflite-int8-weights", "tflite", "TFLite, int8 weights, computed in float", "int8"),
    Recipe(
        "tflite-int16x8",
        "tflite",
        "TFLite, int16 activations, int8 weights",
        "int8",
        "int16",
        calibration="minmax",
        symmetric=True,
    ),
    Recipe("tflite-int4-weights", "tflite", "TFLite, int4 weights, computed in float", "int4"),
    Recipe("onnx-float32", "onnx", "ONNX, float32"),
    Recipe("onnx-float16", "onnx", "ONNX, float16", "float16"),
    Recipe("onnx-int8", "onnx", "ONNX, static int8, ranges by percentile", "int8", "uint8", calibration="percentile"),
    Recipe("onnx-int8-minmax", "onnx", "ONNX, static int8, ranges by extremes", "int8", "uint8", calibration="minmax"),
    Recipe("onnx-int8-entropy", "onnx", "ONNX, static int8, ranges by entropy", "int8", "uint8", calibration="entropy"),
    Recipe("onnx-int8-mse", "onnx", "ONNX, static int8, ranges by squared error", "int8", "uint8", calibration="mse"),
    Recipe(
        "onnx-int8-symmetric",
        "onnx",
        "ONNX, static int8, zero points 0",
        "int8",
        "int8",
        calibration="percentile",
        symmetric=True,
    ),
    Recipe("onnx-int8-dynamic", "onnx", "ONNX, int8 weights, activations as they come", "int8", "dynamic"),
    Recipe("onnx-a16w8", "onnx", "ONNX, uint16 activations, int8 weights", "int8", "uint16", calibration="minmax"),
    Recipe("onnx-int4-weights", "onnx", "ONNX, int4 weights of matrix products", "int4", granularity="block"),
)

BY_NAME: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES}


def as_it_came(source: SourceFormat) -> RecipeFormat:
    """The format in which a source's own answers are the yardstick."""
    return "onnx" if source in ("onnx", "torch", "pt2") else "tflite"


def reference(source: SourceFormat, precision: Precision) -> Recipe:
    """The recipe whose answers are the yardstick: the model as it came, in its own format family."""
    return BY_NAME[f"{as_it_came(source)}-{precision}"]


def decline(recipe: Recipe, source: SourceFormat, precision: Precision) -> str:
    """Why there is no route from a source of that format and precision; empty if there is one."""
    if precision != "float32" and recipe != reference(source, precision):
        return f"the source is {precision} already, so it is only passed through"
    return ""
