"""What ONNX Runtime's TensorRT provider needs beside its name: precisions, an engine cache, and patience.

https://onnxruntime.ai/docs/execution-providers/TensorRT-ExecutionProvider.html. Never run by the project's own
tests, which have no such hardware.
"""

from __future__ import annotations

import ctypes
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from edge_agent.runtimes.base import Opening

if TYPE_CHECKING:
    from edge_agent.runtimes.onnx import OnnxRuntime, Providers

_LIBRARIES = ("libnvinfer.so.10", "libnvinfer.so.8")
_NAME_BYTES = 256


def opened(name: str, opening: Opening, open_session: Callable[[Providers], OnnxRuntime]) -> OnnxRuntime:
    """The session of the model file `name`; tells about an engine that is built before and after."""
    options = {
        "trt_fp16_enable": str(opening.precision == "float16"),
        "trt_int8_enable": str(opening.precision == "int8"),
    }
    built = False
    if opening.cache is not None:
        folder = opening.cache / engine_folder(tensorrt_version(), gpu_name())
        folder.mkdir(parents=True, exist_ok=True)
        built = any(folder.glob("*.engine"))
        options |= {
            "trt_engine_cache_enable": "True",
            "trt_engine_cache_path": str(folder),
            "trt_timing_cache_enable": "True",
            "trt_timing_cache_path": str(folder),
        }
    if not built:
        opening.announce(f"{name}: TensorRT builds its engine, which can take ten minutes", 0.0)
    began_s = time.monotonic()
    # What TensorRT does not take is the GPU's all the same.
    runtime = open_session([("TensorrtExecutionProvider", options), ("CUDAExecutionProvider", {})])
    runtime.run_once()  # the engine of a model with an open dimension is built here
    if not built:
        opening.announce(f"{name}: TensorRT's engine is built, after {time.monotonic() - began_s:.0f} s", 1.0)
    return runtime


def engine_folder(version: str, gpu: str) -> str:
    """An engine is good for the TensorRT and the GPU that it was built with, and no other."""
    return "tensorrt-" + re.sub(r"[^A-Za-z0-9.]+", "-", f"{version} {gpu}").strip("-").lower()


def tensorrt_version() -> str:
    """As the library numbers itself, 100300 for 10.3.0; "unknown" without it."""
    for name in _LIBRARIES:
        try:
            return str(ctypes.CDLL(name).getInferLibVersion())
        except (OSError, AttributeError):
            continue
    return "unknown"


def gpu_name() -> str:
    """Name of the first GPU by CUDA's driver; "unknown" without it."""
    name = ctypes.create_string_buffer(_NAME_BYTES)
    try:
        driver = ctypes.CDLL("libcuda.so.1")
        failed = driver.cuInit(0) or driver.cuDeviceGetName(name, _NAME_BYTES, 0)
    except (OSError, AttributeError):
        return "unknown"
    return "unknown" if failed else name.value.decode(errors="replace")
