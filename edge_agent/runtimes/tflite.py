"""tflite-runtime 2.14, the last one; for devices that have nothing newer.

Two traps are guarded: with numpy 2 the interpreter fails in a way that names no cause, and a
per-channel dynamic FULLY_CONNECTED gives wrong answers without any error.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.runtimes import external
from edge_agent.runtimes.base import Opening, Runtime, package_version, unavailable
from edge_agent.runtimes.interpreter import InterpreterRuntime


def load(file: Path, delegate: str, opening: Opening) -> Runtime:
    """See `base.open_runtime`; delegates: "xnnpack" (float models only), "external", "none"."""
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        raise unavailable("tflite", delegate, f"numpy {np.__version__}", "install numpy below 2 (extra agent-tflite)")
    try:
        import tflite_runtime
        from tflite_runtime.interpreter import Interpreter, OpResolverType, load_delegate
    except ImportError as error:
        raise unavailable("tflite", delegate, error, "install the extra agent-tflite (Python up to 3.11)") from None
    resolvers = {
        "xnnpack": OpResolverType.AUTO,
        "external": OpResolverType.AUTO,
        "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    }
    if delegate not in resolvers:
        raise unavailable("tflite", delegate, "a delegate that it does not have", f"list {', '.join(resolvers)}")

    def make(delegates: list[Any]) -> Any:
        interpreter = Interpreter(
            str(file),
            num_threads=opening.threads,
            experimental_op_resolver_type=resolvers[delegate],
            experimental_delegates=delegates,
        )
        if _has_per_channel_dynamic_dense(interpreter):
            found = "a per-channel dynamic FULLY_CONNECTED, which it computes wrongly without an error"
            raise unavailable("tflite", delegate, found, "use the recipe tflite-int8, or litert")
        return interpreter

    version = package_version(tflite_runtime.__name__)
    try:
        if delegate == "external":
            return external.opened("tflite", load_delegate, make, opening.external, version)
        interpreter = make([])
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        step = "convert it as static int8, float16 or float32: newer operator versions are unknown to it"
        raise unavailable("tflite", delegate, error, step) from None
    runtime = InterpreterRuntime(interpreter, version)
    if delegate == "xnnpack" and runtime.nodes.delegated == 0:
        raise unavailable("tflite", delegate, "no node of it that XNNPACK takes", "list tflite/none after it")
    return runtime


def _has_per_channel_dynamic_dense(interpreter: Any) -> bool:
    tensors = {entry["index"]: entry for entry in interpreter.get_tensor_details()}
    for operator in interpreter._get_ops_details():
        if operator["op_name"] != "FULLY_CONNECTED":
            continue
        data, weights = (tensors.get(int(index)) for index in operator["inputs"][:2])
        if data is None or weights is None or np.dtype(data["dtype"]) != np.float32:
            continue
        if np.dtype(weights["dtype"]) == np.int8 and len(weights["quantization_parameters"]["scales"]) > 1:
            return True
    return False
