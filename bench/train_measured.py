"""What a trained model is worth: accuracy paired with dense on the same images, size, xz, latency by ratio."""

from __future__ import annotations

import lzma
import statistics
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from converter import intervals, macs
from converter.formats import keras as keras_format
from converter.passes import qat, qat_export, slim_tflite, whole_delegate
from converter.training.protocol import Trained
from converter.training.run import load

Array = npt.NDArray[Any]
_SEEN = 1000
_RUNS = 200


class Export(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        percent: of the test images that it gets right.
        against_dense_points: with the ends of the paired 95 % interval; dense is the float model as it came.
        xz_bytes: the file under xz -9e, as it travels.
        ratio: of its latency to that of dense int8, the two in turn in one process, one thread.
    """

    percent: float
    against_dense_points: float
    low_points: float
    high_points: float
    bytes: int
    xz_bytes: int
    multiply_adds: int
    ratio: float


class Result(msgspec.Struct, frozen=True):
    """One recipe with one seed, beside the dense model.

    Attributes:
        dense_int8: the model as it came, quantized by ranges of training images, without training.
        int8, float32: what was trained; float32 only where something was trained in float.
    """

    model: str
    recipe: str
    seed: int
    dense_percent: float
    dense_int8: Export
    int8: Export
    float32: Export | None
    trained: Trained


def measured(model: str, trained: Trained, source: Path, test: Path, train: Path) -> Result:
    """Measure all of it on the test images."""
    with np.load(test) as arrays:
        x, y = arrays["x"].astype(np.float32), arrays["y"]
    with np.load(train) as arrays:
        seen = arrays["t0"][:_SEEN]
    dense = load(source, source.suffix[1:])
    target = str(Path(trained.file).with_suffix("")) + "-dense"
    dense_int8 = Path(qat_export.write(qat.prepared(dense, seen).model, dense, target, seen))
    reference = answers(_float_file(dense, f"{target}-float.tflite", seen), x) == y

    def export(path: Path) -> Export:
        return _export(path, dense_int8, x, y, reference)

    in_float = None
    if trained.float_file:
        in_float = export(_float_file(load(Path(trained.float_file), "keras"), f"{target}-trained.tflite", seen))
    return Result(
        model=model,
        recipe=trained.recipe,
        seed=trained.seed,
        dense_percent=round(100 * float(reference.mean()), 2),
        dense_int8=export(dense_int8),
        int8=export(Path(trained.file)),
        float32=in_float,
        trained=msgspec.structs.replace(trained, file=Path(trained.file).name, float_file=""),
    )


def answers(path: Path, x: Array) -> Array:
    """The class that a TFLite file gives to each image."""
    run = _runner(path)
    return np.array([run(item).argmax() for item in x])


def _export(path: Path, dense_int8: Path, x: Array, y: Array, reference: Array) -> Export:
    right = answers(path, x) == y
    between = intervals.newcombe(
        int((right & reference).sum()),
        int((right & ~reference).sum()),
        int((~right & reference).sum()),
        int((~right & ~reference).sum()),
    )
    content = path.read_bytes()
    return Export(
        percent=round(100 * float(right.mean()), 2),
        against_dense_points=round(100 * float(right.mean() - reference.mean()), 2),
        low_points=round(100 * between.low, 2),
        high_points=round(100 * between.high, 2),
        bytes=len(content),
        xz_bytes=len(lzma.compress(content, preset=9 | lzma.PRESET_EXTREME)),
        multiply_adds=macs.of_tflite(path),
        ratio=round(_ratio(path, dense_int8, x[0]), 3),
    )


def _ratio(path: Path, dense: Path, item: Array) -> float:
    runs = [_runner(each) for each in (path, dense)]
    times: list[list[float]] = [[], []]
    for _ in range(_RUNS):
        for run, told in zip(runs, times, strict=True):
            began = time.perf_counter()
            run(item)
            told.append(time.perf_counter() - began)
    return statistics.median(times[0]) / statistics.median(times[1])


def _runner(path: Path) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = (each[0]["index"] for each in (interpreter.get_input_details(), interpreter.get_output_details()))

    def run(item: Array) -> Array:
        interpreter.set_tensor(source, item[None])
        interpreter.invoke()
        answer: Array = interpreter.get_tensor(target)[0]
        return answer

    return run


def _float_file(model: Any, target: str, seen: Array) -> Path:
    shape = [1, *model.inputs[0].shape[1:]]
    content = whole_delegate.rewritten(keras_format.of_model(model).in_float(shape)).content
    path = Path(target)
    path.write_bytes(slim_tflite.proven(content, seen[:16]))
    return path
