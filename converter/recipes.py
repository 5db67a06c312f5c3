"""The recipes as rows of data, and which source formats have a route to each."""

from __future__ import annotations

from typing import Literal, NamedTuple

from firmware_profiles.words import ModelFormat, Precision, RecipeName

SourceFormat = Literal["keras", "h5", "savedmodel", "tflite", "onnx", "torch", "pt2"]
"""torch: the code of a network and its state dict; pt2: an exported PyTorch program."""
Symmetry = Literal["asymmetric", "symmetric"]

MAX_CALIBRATION_ITEMS = 2000
"""Measured on ResNet8 (TFLite int8, min-max): which 100 to 1500 items are taken decides between 0.4
and 1.1 points lost; 2000 lose 0.3."""

MIN_CALIBRATION_ITEMS = 100
_CALIBRATION_BYTES = 512 << 20


def calibration_items(values: int) -> int:
    """How many items calibrate an input of so many float32 values: what fits into 512 MiB, within bounds."""
    return max(MIN_CALIBRATION_ITEMS, min(MAX_CALIBRATION_ITEMS, _CALIBRATION_BYTES // (4 * values)))


class Recipe(NamedTuple):
    """One way to export a model.

    Attributes:
        precision: of the weights; float32 inputs and outputs are kept by every recipe.
        activations: symmetry of quantized activations; None where they stay float.
        title: for people.
    """

    name: RecipeName
    format: ModelFormat
    precision: Precision
    activations: Symmetry | None
    title: str

    @property
    def file(self) -> str:
        """Name of the exported file."""
        return f"{self.name}.{self.format}"


RECIPES: tuple[Recipe, ...] = (
    Recipe("tflite-float32", "tflite", "float32", None, "TFLite, float32"),
    Recipe("tflite-float16", "tflite", "float16", None, "TFLite, float16 weights"),
    Recipe("tflite-int8", "tflite", "int8", "asymmetric", "TFLite, static int8, per channel"),
    Recipe("onnx-float32", "onnx", "float32", None, "ONNX, float32"),
    Recipe("onnx-int8", "onnx", "int8", "asymmetric", "ONNX, static int8 QDQ, uint8 activations, per channel"),
)

BY_NAME: dict[str, Recipe] = {recipe.name: recipe for recipe in RECIPES}


def reference(source: SourceFormat, precision: Precision) -> Recipe:
    """The recipe whose answers are the yardstick: the model as it came, in its own format family."""
    family = "onnx" if source in ("onnx", "torch", "pt2") else "tflite"
    return BY_NAME[f"{family}-{precision}"]


def decline(recipe: Recipe, source: SourceFormat, precision: Precision) -> str:
    """Why there is no route from a source of that format and precision; empty if there is one."""
    if precision != "float32" and recipe != reference(source, precision):
        return f"the source is {precision} already, so it is only passed through"
    return ""
