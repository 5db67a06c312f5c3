"""ai-edge-quantizer's own recipes with its own calibration: `python -m bench.peers.edge_quantizer FOLDER`.

FOLDER holds float.tflite and calibration.npz (t0), and takes what is written.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import quantizer, recipe

from bench.peers.attempts import attempt


def main() -> None:
    """Make all three, unless something made them before."""
    folder = Path(sys.argv[1])
    source, items = folder / "float.tflite", np.load(folder / "calibration.npz")["t0"]

    def quantized(made: Callable[[], Any]) -> bytes:
        work = quantizer.Quantizer(str(source), made())
        ranges = work.calibrate(_samples(source, items)) if work.need_calibration else None
        return bytes(work.quantize(ranges).quantized_model)

    recipes = {
        "static": recipe.static_wi8_ai8,
        "dynamic": recipe.dynamic_wi8_afp32,
        "weights": recipe.weight_only_wi8_afp32,
    }
    attempt(folder, {f"ai-edge-quantizer {name}.tflite": partial(quantized, made) for name, made in recipes.items()})


def _samples(model: Path, items: Any) -> dict[str, list[dict[str, Any]]]:
    """Signature → inputs by name."""
    ((key, ports),) = Interpreter(str(model)).get_signature_list().items()
    (name,) = ports["inputs"]
    return {key: [{name: item[np.newaxis]} for item in items]}


if __name__ == "__main__":
    main()
