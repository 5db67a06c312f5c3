"""A TFLite delegate in a library of its own, as vendors of accelerators ship it.

Its interface: tensorflow/lite/delegates/external/external_delegate_interface.h.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from edge_agent.runtime_config import External
from edge_agent.runtimes.base import Runtime, unavailable
from edge_agent.runtimes.interpreter import InterpreterRuntime, count_nodes

_EXPORTS = ("tflite_plugin_create_delegate", "tflite_plugin_destroy_delegate")


def opened(
    runtime: str,
    load_delegate: Callable[[str, dict[str, str]], Any],
    make: Callable[[list[Any]], Any],
    wanted: External | None,
    version: str,
) -> Runtime:
    """The model with the device's external delegate; what that leaves is XNNPACK's, then the built-in kernels'.

    Args:
        runtime: "litert" or "tflite", for errors.
        load_delegate: the runtime's own.
        make: an interpreter with these delegates, whose tensors are not allocated.

    Raises:
        UnavailableError: none is configured, it cannot be loaded, or it takes no node of the model.
        RuntimeError, ValueError: the interpreter does not go with it.
    """
    if wanted is None:
        found = "no external delegate in the device's configuration"
        raise unavailable(runtime, "external", found, "name its path in [runtime.external] of agent.toml")
    _check(runtime, wanted.path)
    try:
        delegate = load_delegate(wanted.path, dict(wanted.options))
    except ValueError as error:  # what the delegate itself says
        raise unavailable(runtime, "external", error, "check its options and its driver") from None
    interpreter = make([delegate])
    nodes = count_nodes(interpreter)  # before XNNPACK takes what is left, which happens on allocation
    if nodes.delegated == 0:
        step = "compile the model for it with its vendor's tool, or list another runtime"
        raise unavailable(runtime, "external", f"no node of it that {wanted.path} takes", step)
    interpreter.allocate_tensors()
    return InterpreterRuntime(interpreter, version, nodes)


def _check(runtime: str, path: str) -> None:
    """Whether it is such a library: `load_delegate` tells a wrong one by a traceback of its destructor."""
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise unavailable(runtime, "external", error, "correct runtime.external.path in agent.toml") from None
    missing = [name for name in _EXPORTS if not hasattr(library, name)]
    if missing:
        found = f"{path} without {' and '.join(missing)}"
        raise unavailable(runtime, "external", found, "is it the delegate's library?")
