"""What the Open Inference Protocol tells about server and models, from the manifest alone. No numpy here.

https://github.com/kserve/open-inference-protocol, specification/protocol/inference_rest.md
"""

from __future__ import annotations

from typing import Any

from firmware_profiles import VERSION
from firmware_profiles.manifest import Manifest, Model, Tensor

_DATATYPES = {
    "bool": "BOOL",
    **{f"{sign.lower()}int{bits}": f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64)},
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
_QUANTIZED = ("int8", "uint8", "int16")


def datatype(model: Model, tensor: Tensor) -> str:
    """The protocol's word for the type in which a tensor is exchanged; empty for one that it cannot carry.

    Narrow integers of a TFLite file are quantized, and only the runtime knows their scale: their real
    values are exchanged, as `runtimes.base.Runtime` takes and gives them.
    """
    if model.format == "tflite" and tensor.dtype in _QUANTIZED:
        return "FP32"
    return _DATATYPES.get(tensor.dtype, "")


def server() -> dict[str, Any]:
    """`GET /v2`."""
    return {"name": "godwit", "version": VERSION, "extensions": ["binary_tensor_data", "model_repository"]}


def model(manifest: Manifest, of: Model) -> dict[str, Any]:
    """`GET /v2/models/NAME`."""
    return {
        "name": of.name,
        "versions": [manifest.version],
        "platform": f"{of.format}_godwit",
        "inputs": [_tensor(of, tensor) for tensor in of.inputs],
        "outputs": [_tensor(of, tensor) for tensor in of.outputs],
    }


def index(manifest: Manifest, *, ready: bool) -> list[dict[str, str]]:
    """`POST /v2/repository/index`, Triton's model repository extension."""
    state = "READY" if ready else "UNAVAILABLE"
    return [{"name": model.name, "version": manifest.version, "state": state} for model in manifest.models]


def _tensor(of: Model, tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": datatype(of, tensor), "shape": tensor.shape}
