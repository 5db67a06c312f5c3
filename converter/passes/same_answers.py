"""Whether two .tflite files compute the same: bit by bit, on both sets of LiteRT's kernels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

_KERNELS = {
    "XNNPACK": OpResolverType.AUTO,
    "LiteRT's own kernels": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
}


def difference(before: bytes, after: bytes, items: npt.NDArray[Any]) -> str:
    """In what they differ on `items` [n, …] (float32, without the batch axis); empty if in nothing.

    Kernels that cannot load the model before need not load it after.
    """
    for kernels, resolver in _KERNELS.items():
        try:
            old = _open(before, resolver)
        except (ValueError, RuntimeError):
            continue
        try:
            new = _open(after, resolver)
        except (ValueError, RuntimeError) as error:
            return f"{kernels} cannot load it: {' '.join(str(error).split())[:200]}"
        if _nodes(old) != _nodes(new):
            return f"{kernels} would take other nodes"
        if any(one != other for one, other in zip(_answers(old, items), _answers(new, items), strict=True)):
            return f"{kernels} would give other answers"
    return ""


def distance(before: bytes, after: bytes, items: npt.NDArray[Any]) -> float:
    """How far apart their answers to `items` are at most, by whatever kernels, as a part of the largest answer."""
    found = 0.0
    for resolver in _KERNELS.values():
        runs = [_open(content, resolver) for content in (before, after)]
        old, new = ([b"".join(each) for each in _answers(run, items)] for run in runs)
        known, told = (np.frombuffer(b"".join(each), np.float32) for each in (old, new))
        found = max(found, float(np.abs(told - known).max() / (np.abs(known).max() or 1.0)))
    return found


def _open(content: bytes, resolver: OpResolverType) -> Any:
    interpreter = Interpreter(model_content=content, num_threads=1, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def _nodes(interpreter: Any) -> list[tuple[Any, ...]]:
    """What runs, delegates included, and what each node reads and writes."""
    entries = interpreter._get_ops_details()
    return [(entry["op_name"], *map(int, entry["inputs"]), -1, *map(int, entry["outputs"])) for entry in entries]


def _answers(interpreter: Any, items: npt.NDArray[Any]) -> Iterator[list[bytes]]:
    entry = interpreter.get_input_details()[0]
    outputs = [output["index"] for output in interpreter.get_output_details()]
    for item in items:
        interpreter.set_tensor(entry["index"], item[np.newaxis].astype(entry["dtype"]))
        interpreter.invoke()
        yield [interpreter.get_tensor(index).tobytes() for index in outputs]
