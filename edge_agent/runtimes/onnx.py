"""ONNX Runtime with its CPU, CUDA, TensorRT or OpenVINO provider."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.runtimes.base import Array, Nodes, Opening, Runtime, unavailable
from edge_agent.runtimes.quantized import Affine

Providers = Sequence[tuple[str, dict[str, str]]]
"""Names and options, the one to ask first coming first."""

_PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
_DTYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}
_ERRORS_ONLY = 3


def load(file: Path, delegate: str, opening: Opening) -> Runtime:
    """See `base.open_runtime`; delegates: "cpu", "cuda", "tensorrt", "openvino"."""
    try:
        import onnxruntime
    except ImportError as error:
        raise unavailable("onnx", delegate, error, "install the extra agent-onnx") from None
    provider = _PROVIDERS.get(delegate, "")
    if provider not in onnxruntime.get_available_providers():
        found = f"only the providers {', '.join(onnxruntime.get_available_providers())}"
        raise unavailable("onnx", delegate, found, "install the vendor's onnxruntime wheel, or list onnx/cpu after it")
    version = str(onnxruntime.__version__)  # vendors' wheels have other names
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = opening.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")  # from 1.24 on; else ignored

    def opened(providers: Providers) -> OnnxRuntime:
        return OnnxRuntime(_session(onnxruntime, file, options, providers), version, provider)

    try:
        if delegate == "tensorrt":
            from edge_agent.runtimes import tensorrt

            runtime = tensorrt.opened(file.name, opening, opened)
        else:
            runtime = opened([(provider, _options(delegate, opening, version))])
    except Exception as error:  # noqa: BLE001  # its exceptions have no common base but Exception
        raise unavailable("onnx", delegate, error, "convert the model again, or list another runtime") from None
    if runtime.first_provider != provider:  # it falls back to the CPU without a word
        raise unavailable("onnx", delegate, f"{runtime.first_provider} instead", "check the driver's installation")
    if runtime.nodes.delegated == 0:
        raise unavailable("onnx", delegate, f"no node of it that {provider} takes", "list onnx/cpu after it")
    return runtime


def _options(delegate: str, opening: Opening, version: str) -> dict[str, str]:
    if delegate != "openvino":
        return {}
    # Without the first it takes what it finds fastest, which need not be what the golden vectors were proved on.
    options = {"device_type": "CPU", "num_of_threads": str(opening.threads)}
    if opening.cache is not None:
        opening.cache.mkdir(parents=True, exist_ok=True)
        options["cache_dir"] = str(opening.cache / f"openvino-{version}")
    return options


def _session(onnxruntime: Any, file: Path, options: Any, providers: Providers) -> Any:
    """A session whose int8 products do not saturate.

    Where an x86 CPU has no VNNI, products of uint8 by int8 saturate in 16 bits: Alibaba's CIFAR-10 net loses 7.6
    points. The setting takes slower products there that do not, and changes nothing elsewhere (ONNX Runtime,
    onnxruntime_session_options_config_keys.h). It cannot load a model whose int8 weights share a zero point;
    that one is opened without it, and its golden vectors tell whether it suffers.
    """
    options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # its exceptions have no common base but Exception
        if "replace the existing tensor" not in str(error):
            raise
    options.add_session_config_entry("session.x64quantprecision", "0")
    return onnxruntime.InferenceSession(str(file), options, providers=providers)


class OnnxRuntime:
    """A model in an ONNX Runtime session.

    Attributes:
        first_provider: the one that is asked first for each node.
    """

    def __init__(self, session: Any, version: str, provider: str) -> None:
        self.version = version
        self.nodes = _count_nodes(session, provider)
        self.first_provider: str = session.get_providers()[0]
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

    def run_once(self) -> None:
        """One inference of zeros, its open dimensions 1: what a provider puts off until then is done."""
        declared = [entry.shape for entry in self._session.get_inputs()]
        shapes = [[size if isinstance(size, int) else 1 for size in shape] for shape in declared]
        self.run([np.zeros(shape, np.float32) for shape in shapes])


def _count_nodes(session: Any, provider: str) -> Nodes:
    """By provider, of the graph after basic optimizations; ONNX Runtime tells it from 1.24 on."""
    if not hasattr(session, "get_provider_graph_assignment_info"):
        return Nodes(None, None)
    taken, left = 0, []
    for subgraph in session.get_provider_graph_assignment_info():
        nodes = subgraph.get_nodes()
        if subgraph.ep_name == provider:
            taken += len(nodes)
        else:
            left += [str(node.op_type) for node in nodes]
    return Nodes(taken, taken + len(left), tuple(left))
