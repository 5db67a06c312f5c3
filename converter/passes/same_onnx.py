"""Whether two ONNX models compute the same: bit by bit, with ONNX Runtime's optimisations and without."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

_LEVELS = {
    "optimised": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    "as written": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
}
_ERRORS_ONLY = 3


def difference(before: bytes, after: bytes, items: npt.NDArray[Any]) -> str:
    """In what they differ on `items` [n, …] (float32, without the batch axis); empty if in nothing."""
    for how, level in _LEVELS.items():
        old, old_nodes = _opened(before, level)
        try:
            new, new_nodes = _opened(after, level)
        except Exception as error:  # noqa: BLE001  # its exceptions have no common base but Exception
            return f"ONNX Runtime cannot load it: {' '.join(str(error).split())[:200]}"
        if old_nodes != new_nodes:
            return f"ONNX Runtime would run other nodes of it, {how}"
        if any(one != other for one, other in zip(_answers(old, items), _answers(new, items), strict=True)):
            return f"ONNX Runtime would give other answers, {how}"
    return ""


def _opened(content: bytes, level: Any) -> tuple[Any, list[tuple[str, str]]]:
    """A session, and the kinds of the nodes that run in it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory(prefix="godwit-same-") as folder:
        file = Path(folder) / "run.onnx"
        options.optimized_model_filepath = str(file)
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(file).graph.node
    return session, sorted((node.domain, node.op_type) for node in nodes)


def _answers(session: Any, items: npt.NDArray[Any]) -> Iterator[list[bytes]]:
    name = session.get_inputs()[0].name
    for item in items:
        yield [output.tobytes() for output in session.run(None, {name: item[np.newaxis]})]
