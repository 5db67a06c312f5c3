"""ONNX Runtime with its CPU, CUDA or TensorRT provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.runtimes.base import Array, Nodes, Runtime, package_version, unavailable
from edge_agent.runtimes.quantized import Affine

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}
_ERRORS_ONLY = 3


def load(file: Path, delegate: str, threads: int) -> Runtime:
    """See `base.open_runtime`; delegates: "cpu", "cuda", "tensorrt"."""
    try:
        import onnxruntime
    except ImportError as error:
        raise unavailable("onnx", delegate, error, "install the extra agent-onnx") from None
    provider = _PROVIDERS.get(delegate)
    if provider not in onnxruntime.get_available_providers():
        found = f"only the providers {', '.join(onnxruntime.get_available_providers())}"
        raise unavailable("onnx", delegate, found, "install the vendor's onnxruntime wheel, or list onnx/cpu after it")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = _opened(onnxruntime, file, options, provider)
    except Exception as error:  # noqa: BLE001  # its exceptions have no common base but Exception
        raise unavailable("onnx", delegate, error, "convert the model again, or list another runtime") from None
    if session.get_providers()[0] != provider:  # it falls back to the CPU without a word
        raise unavailable("onnx", delegate, f"{session.get_providers()[0]} instead", "check the driver's installation")
    return OnnxRuntime(session, package_version(onnxruntime.__name__))


def _opened(onnxruntime: Any, file: Path, options: Any, provider: str | None) -> Any:
    """A session whose int8 products do not saturate.

    Where an x86 CPU has no VNNI, products of uint8 by int8 saturate in 16 bits: Alibaba's CIFAR-10 net loses 7.6
    points. The setting takes slower products there that do not, and changes nothing elsewhere (ONNX Runtime,
    onnxruntime_session_options_config_keys.h). It cannot load a model whose int8 weights share a zero point;
    that one is opened without it, and its golden vectors tell whether it suffers.
    """
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=[provider])
    except Exception as error:  # its exceptions have no common base but Exception
        if "replace the existing tensor" not in str(error):
            raise
    options.add_session_config_entry("session.x64quantprecision", "0")
    return onnxruntime.InferenceSession(str(file), options, providers=[provider])


class OnnxRuntime:
    """A model in an ONNX Runtime session."""

    def __init__(self, session: Any, version: str) -> None:
        self.version = version
        self.nodes = Nodes(None, None)
        self._session = session
        types = {entry.name: np.dtype(_DTYPES.get(entry.type, np.float32)) for entry in session.get_inputs()}
        self._inputs = [(name, Affine(0.0, 0, dtype)) for name, dtype in types.items()]

    def quantize(self, real: Array) -> Array:
        """See `base.Runtime`."""
        return self._inputs[0][1].quantize(real)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `base.Runtime`."""
        return self.primed(inputs)()

    def primed(self, inputs: Sequence[Array]) -> Callable[[], list[Array]]:
        """See `base.Runtime`."""
        feeds = {name: affine.quantize(tensor) for (name, affine), tensor in zip(self._inputs, inputs, strict=True)}

        def inference() -> list[Array]:
            outputs: list[Array] = self._session.run(None, feeds)
            return outputs

        return inference
