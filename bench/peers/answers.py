"""How often a model file is right: `python -m bench.peers.answers FILE EVALUATION.npz` prints a percentage.

In a process of its own: a file that brings its runtime down is one crash.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edge_agent.runtimes.base import Opening, Runtime, open_runtime
from firmware_profiles.errors import UnavailableError


def opened(file: Path) -> Runtime:
    """LiteRT with XNNPACK, without where it takes nothing; onnxruntime for .onnx."""
    if file.suffix == ".onnx":
        return open_runtime("onnx", "cpu", file, Opening())
    try:
        return open_runtime("litert", "xnnpack", file, Opening())
    except UnavailableError:
        return open_runtime("litert", "none", file, Opening())


def main() -> None:
    """Top-1 over all items (t0, y), one by one."""
    runtime = opened(Path(sys.argv[1]))
    with np.load(sys.argv[2]) as arrays:
        items, classes = arrays["t0"], arrays["y"]
    right = [
        int(runtime.run([item[np.newaxis]])[0].argmax()) == expected
        for item, expected in zip(items, classes, strict=True)
    ]
    print(100 * sum(right) / len(right))


if __name__ == "__main__":
    main()
