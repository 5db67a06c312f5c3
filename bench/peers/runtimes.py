"""What runs a model file here: as the agent does it, on one thread."""

from __future__ import annotations

from pathlib import Path

from edge_agent.runtimes.base import Runtime, open_runtime
from firmware_profiles.errors import UnavailableError


def opened(file: Path) -> Runtime:
    """LiteRT with XNNPACK, without where it takes nothing; onnxruntime for .onnx."""
    if file.suffix == ".onnx":
        return open_runtime("onnx", "cpu", file, 1)
    try:
        return open_runtime("litert", "xnnpack", file, 1)
    except UnavailableError:
        return open_runtime("litert", "none", file, 1)
