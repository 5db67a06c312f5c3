"""All that the peers make of one model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from bench.models import ROOT, Benchmark
from bench.peers import floats
from bench.say import say
from edge_agent.flow.preprocess import Preprocessor, tensors
from firmware_profiles.errors import GodwitError
from firmware_profiles.manifest import Tensor

CALIBRATION_ITEMS = 500
"""TensorFlow's guide recommends 100 to 500; we take as many as the project gives, as a user would."""

_LIMIT_S = 300.0
_STARTS = 4
"""So often is a tool's process started before what is left is given up."""


def peers(benchmark: Benchmark, folder: Path) -> None:
    """Write float.tflite, float.onnx and every peer's file, or the reason why there is none, into `folder`.

    calibration.npz and evaluation.npz are the model's own input tensors (t0), pre-processed as the agent does.
    """
    items = benchmark.items()
    preprocess = Preprocessor(benchmark.input, Tensor("x", [1, *benchmark.shape], "float32"))
    np.savez(folder / "calibration.npz", t0=tensors(preprocess, list(items.calibration[:CALIBRATION_ITEMS])))
    np.savez(folder / "evaluation.npz", t0=tensors(preprocess, list(items.evaluation)), y=items.classes)
    say(f"{benchmark.title}: float files")
    try:
        source = floats.for_tensorflow(benchmark, folder)
    except GodwitError as error:
        say(f"{benchmark.title}: FAILED: {error}")
        return
    if source is not None:
        _run(benchmark, "tf_lite", folder, source)
    if (folder / "float.tflite").exists():
        _run(benchmark, "edge_quantizer", folder)
    if (folder / "float.onnx").exists():
        _run(benchmark, "ort", folder)


def _run(benchmark: Benchmark, module: str, *arguments: Path) -> None:
    say(f"{benchmark.title}: {module}")
    line = [sys.executable, "-m", f"bench.peers.{module}", *map(str, arguments)]
    for _ in range(_STARTS):
        try:
            done = subprocess.run(line, cwd=ROOT, capture_output=True, timeout=_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:
            continue
        if done.returncode == 0:
            return
    say(f"{benchmark.title}: {module} did not come to its end")
