"""Every peer's starting points: the model as float TFLite and float ONNX, by the tool that makes such files."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.models import Benchmark
from converter import source as sources
from converter.processes import Processes
from converter.progress import Progress
from converter.protocol import Export
from converter.recipes import BY_NAME
from converter.routes import Routes
from converter.source import SourceTable


def for_tensorflow(benchmark: Benchmark, folder: Path) -> Path | None:
    """What TensorFlow's converter starts from: the source, or what onnx2tf makes of it; None for PyTorch.

    Of what comes through a toolchain the float files that it leaves are in `folder` afterwards.
    """
    if benchmark.source.suffix not in (".onnx", ".th"):
        return benchmark.source
    with Processes(folder) as processes:
        source = sources.find(folder, SourceTable(name=benchmark.name, **benchmark.model))
        routes = Routes(processes, folder, Progress(), source)
        routes.describe()
        routes.export(
            Export(
                BY_NAME["tflite-float32"],
                [1, *benchmark.shape],
                str(folder / "calibration.npz"),
                str(folder / "ours.tflite"),
            )
        )
        routes.close()
    if benchmark.source.suffix == ".onnx":
        shutil.copy(benchmark.source, folder / "float.onnx")
        return folder / "onnx2tf"
    # As torch.onnx and litert-torch wrote them.
    shutil.copy(folder / "torch_onnx", folder / "float.onnx")
    shutil.copy(folder / "torch_tflite", folder / "float.tflite")
    return None
