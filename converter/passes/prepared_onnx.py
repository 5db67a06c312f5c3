"""An ONNX model as quantizers want it: batch normalisation folded, constants folded, every node named."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
import onnxruntime

_ERRORS_ONLY = 3


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that computes the same in fewer nodes, of standard operators, with the shapes of all tensors.

    Args:
        model: float, its sizes known.
    """
    options = onnxruntime.SessionOptions()
    # Basic: what follows is still ONNX, for every runtime.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = _ERRORS_ONLY
    with tempfile.TemporaryDirectory(prefix="godwit-onnx-") as folder:
        file = Path(folder) / "prepared.onnx"
        options.optimized_model_filepath = str(file)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        folded = onnx.load(file)
    _name_nodes(folded)
    return onnx.shape_inference.infer_shapes(folded)


def _name_nodes(model: onnx.ModelProto) -> None:
    """Layers are left unquantized by their nodes' names, which a model need not have."""
    taken: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}_of_godwit"
        taken.add(node.name)
