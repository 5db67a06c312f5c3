"""LiteRT (ai-edge-litert): its built-in kernels, XNNPACK, the GPU, or a delegate in a library of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_agent.runtimes import external
from edge_agent.runtimes.base import Opening, Runtime, package_version, unavailable
from edge_agent.runtimes.interpreter import InterpreterRuntime

_STEP = "convert the model again, or list another runtime"
# Of a smaller model the cache saves nothing, and the runtime that uses it takes 7 MB more (MobileNetV2, 14 MB:
# 4 MB less resident memory, about the same time to load; ResNet-50, 102 MB: 87 MB less, a fifth of the time).
WEIGHT_CACHE_FROM_BYTES = 8_000_000


def load(file: Path, delegate: str, opening: Opening) -> Runtime:
    """See `base.open_runtime`; delegates: "xnnpack", "gpu", "external", "none"."""
    openers: dict[str, Callable[[Path, Opening, str], Runtime]] = {
        "xnnpack": _xnnpack,
        "gpu": _gpu,
        "external": _external,
        "none": _none,
    }
    if delegate not in openers:
        raise unavailable("litert", delegate, "a delegate that it does not have", f"list one of {', '.join(openers)}")
    try:
        import ai_edge_litert

        return openers[delegate](file, opening, package_version(ai_edge_litert.__name__))
    except ImportError as error:  # of the package itself, or of a library that it wants
        raise unavailable("litert", delegate, error, "install the extra agent-litert") from None
    except (RuntimeError, ValueError) as error:
        raise unavailable("litert", delegate, error, _STEP) from None


def _none(file: Path, opening: Opening, version: str) -> Runtime:
    from ai_edge_litert.interpreter import OpResolverType

    resolver = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = _interpreter(file, opening, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return InterpreterRuntime(interpreter, version)


def _xnnpack(file: Path, opening: Opening, version: str) -> Runtime:
    if opening.cache is not None and file.stat().st_size >= WEIGHT_CACHE_FROM_BYTES:
        from edge_agent.runtimes import weight_cache

        if cached := weight_cache.opened(file, opening.cache, opening.threads, version):
            return cached
    interpreter = _interpreter(file, opening)
    interpreter.allocate_tensors()
    runtime = InterpreterRuntime(interpreter, version)
    if runtime.nodes.delegated == 0:
        raise unavailable("litert", "xnnpack", "no node of it that XNNPACK takes", "list litert/none after it")
    return runtime


def _gpu(file: Path, _: Opening, version: str) -> Runtime:
    from ai_edge_litert.hardware_accelerator import HardwareAccelerator
    from ai_edge_litert.options import Options

    from edge_agent.runtimes import compiled

    # The GPU alone: with the CPU beside it, a model of which it takes no node runs without a word.
    try:
        return compiled.opened(file, Options(hardware_accelerators=HardwareAccelerator.GPU), version)
    except RuntimeError as error:  # of source lines, whatever the reason; the details are on standard error
        found = f"no GPU, or one that does not compile it: {error}"
        raise unavailable("litert", "gpu", found, "check its driver, or list litert/xnnpack after it") from None


def _external(file: Path, opening: Opening, version: str) -> Runtime:
    from ai_edge_litert.interpreter import load_delegate

    def make(delegates: list[Any]) -> Any:
        return _interpreter(file, opening, experimental_delegates=delegates)

    return external.opened("litert", load_delegate, make, opening.external, version)


def _interpreter(file: Path, opening: Opening, **options: Any) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(file), num_threads=opening.threads, **options)
