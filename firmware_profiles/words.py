"""The closed vocabularies that several files share: one word for one thing."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

RuntimeName = Literal["litert", "onnx", "tflite", "null"]
"""litert: ai-edge-litert; onnx: ONNX Runtime; tflite: tflite-runtime; null: no model, for trials."""

DelegateName = Literal["xnnpack", "cpu", "gpu", "cuda", "tensorrt", "openvino", "external", "none"]
"""external: a TFLite delegate in a library of its own, which the device's configuration names."""

Precision = Literal["float32", "float16", "int8", "int16", "int4"]
"""int16: 16-bit activations over 8-bit weights; int4: weights of 4 bits."""

ModelFormat = Literal["tflite", "onnx", "null"]
Task = Literal["classification", "regression", "detection", "segmentation", "anomaly", "embedding", "raw"]
"""anomaly: how far the output lies from the input; embedding: a vector that means by its neighbours; raw: as it is."""

Architecture = Literal["x86_64", "aarch64", "armv7l"]

# \Z and not $, which would let a line break follow.
NAME_PATTERN = r"^[a-z0-9][a-z0-9_.-]{0,63}\Z"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
"""A model, profile, device or source: safe in a file name and as one level of an MQTT topic."""

RECIPE_PATTERN = r"^((tflite|onnx)-[a-z0-9]+(-[a-z0-9]+)*|[a-z0-9]+(\+[a-z0-9]+)*-(float32|float16|int8))\Z"
RecipeName = Annotated[str, Meta(pattern=RECIPE_PATTERN, max_length=64)]
"""The format, then what is done to weights and activations; a user's own recipe has a name of its own. One that
trains has its steps in front, joined by +, as in channels50+distil+qat-int8."""

VERSION_PATTERN = r"^[0-9]+(\.[0-9]+){0,3}([-+][A-Za-z0-9.-]{1,32})?\Z"
Version = Annotated[str, Meta(pattern=VERSION_PATTERN)]

Count = Annotated[int, Meta(ge=1, le=1_000_000_000)]
# Bounded, because JSON has no word for an infinite number.
Positive = Annotated[float, Meta(gt=0, le=1e12)]
Finite = Annotated[float, Meta(ge=-1e12, le=1e12)]
