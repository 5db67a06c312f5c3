"""ONNX to a SavedModel, by onnx2tf.

onnx2tf takes every input of three to five axes for channels-first and guesses how each operator
moves its axes. It guesses wrong more often in a graph that was not simplified, so onnxslim comes
first; and what it wrote is used only if it answers as the source does.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import onnxruntime
import onnxslim
import tensorflow as tf
from onnx2tf import convert

from converter.bring import agreement
from converter.bring.request import Bring
from converter.formats.base import NoRouteError


def bring(request: Bring) -> None:
    """Write the SavedModel, whose input keeps the source's layout.

    Raises:
        NoRouteError: onnx2tf lacks an operator.
        ValueError: nothing that it wrote answers as the source does.
    """
    with tempfile.TemporaryDirectory() as folder:
        slim = _slim(Path(request.source), request.shape)
        if lacking := sorted(set(_lacking(slim))):
            raise NoRouteError(f"onnx2tf has no operator {', '.join(lacking)}; ONNX recipes do")
        reasons = []
        for index, keep in enumerate(("keep_ncw_or_nchw_or_ncdhw_input_names", "keep_shape_absolutely_input_names")):
            # onnx2tf rewrites its input file, so each attempt has a copy.
            source, target = Path(folder) / f"{index}.onnx", Path(folder) / f"saved_model_{index}"
            onnx.save(slim, source)
            reason = _attempt(source, target, {keep: [slim.graph.input[0].name]}) or _difference(slim, target)
            if not reason:
                shutil.copytree(target, request.target)
                return
            reasons.append(reason)
        raise ValueError(f"onnx2tf: {reasons[0]}")


def _slim(source: Path, shape: list[int]) -> onnx.ModelProto:
    """Simplified, with every size fixed."""
    model = onnx.load(source)
    weights = {tensor.name for tensor in model.graph.initializer}
    name = next(value.name for value in model.graph.input if value.name not in weights)
    slim: onnx.ModelProto = onnxslim.slim(model, input_shapes=[f"{name}:{','.join(map(str, shape))}"])
    return slim


def _lacking(model: onnx.ModelProto) -> Iterator[str]:
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or not importlib.util.find_spec(f"onnx2tf.ops.{node.op_type}"):
            yield node.op_type


def _attempt(source: Path, target: Path, keep: dict[str, list[str]]) -> str:
    """Why it failed; empty if it did not."""
    try:
        convert(
            input_onnx_file_path=str(source),
            output_folder_path=str(target),
            output_signaturedefs=True,
            non_verbose=True,
            **keep,
        )
    except SystemExit:
        return "it stopped without a word"
    except Exception as error:  # noqa: BLE001  # it raises whatever it meets; another layout may do
        return " ".join(str(error).split())[:200]
    return ""


def _difference(model: onnx.ModelProto, saved_model: Path) -> str:
    """In what its answers differ from the source's; empty where they do not."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    serve = tf.saved_model.load(str(saved_model)).signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]
    trials = agreement.inputs(source.shape)
    expected = [session.run(None, {source.name: x}) for x in trials]
    found = [[each.numpy() for each in serve(**{name: tf.constant(x)}).values()] for x in trials]
    return agreement.difference(expected, found)
