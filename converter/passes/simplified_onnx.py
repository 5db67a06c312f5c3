"""The simplest form of a float ONNX model that still answers as it did.

Folding batch normalisation and constants, and bringing operators to a newer set, moves answers by float
rounding only; a folding or a version converter that is wrong moves them by far more, and is not used.

onnxslim brings Alibaba's CIFAR-10 net to the same 569 kB, so nothing beyond ONNX Runtime is asked for it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from converter.bring import agreement
from converter.passes.modern_onnx import modernised
from converter.passes.prepared_onnx import prepared

Array = npt.NDArray[Any]

_ERRORS_ONLY = 3
_FORMS: dict[str, Callable[[onnx.ModelProto], onnx.ModelProto]] = {
    "simplified": lambda model: prepared(modernised(model)),
    "raised to a newer operator set": modernised,
}


def simplified(model: onnx.ModelProto, items: Array) -> onnx.ModelProto:
    """The first of the forms that agrees with the model on `items` [n, …], or the model itself.

    Args:
        model: float, with one input, all sizes known.
        items: float32, without the batch axis.
    """
    expected = _answers(model, items)
    for name, form in _FORMS.items():
        try:
            made = form(model)
            reason = agreement.difference(expected, _answers(made, items))
        except Exception as error:  # noqa: BLE001  # the libraries raise whatever they meet; another form may do
            reason = " ".join(str(error).split())[:200]
        if not reason:
            return made
        print(f"the model is not {name}: {reason}", file=sys.stderr)
    return model


def _answers(model: onnx.ModelProto, items: Array) -> list[list[Array]]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return [session.run(None, {name: item[np.newaxis]}) for item in items]
