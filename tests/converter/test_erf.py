"""The exact GELU of TensorFlow: ONNX has no Erfc."""

from __future__ import annotations

import math

import numpy as np
import onnx

from converter.passes.erf_onnx import without_erfc
from converter.passes.session_onnx import session


def test_erfc_is_written_with_erf_and_the_error_told_holds() -> None:
    make = onnx.helper.make_tensor_value_info
    ends = [make(name, onnx.TensorProto.FLOAT, [1, 4001]) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Erfc", ["x"], ["y"])], "erfc", ends[:1], ends[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    found, said = without_erfc(model)
    onnx.checker.check_model(found)
    x = np.linspace(-8, 8, 4001, dtype=np.float32)[None]
    (answer,) = session(found.SerializeToString()).run(None, {"x": x})
    expected = [math.erfc(value) for value in x[0].tolist()]
    assert np.abs(answer[0] - expected).max() < 2e-7
    assert said == ["1 Erfc, of exact GELUs, as 1 - Erf, at most 2e-7 apart"]
    assert without_erfc(found) == (found, [])
