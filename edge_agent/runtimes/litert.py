"""LiteRT (ai-edge-litert), with its built-in kernels or XNNPACK."""

from __future__ import annotations

from pathlib import Path

from edge_agent.runtimes.base import Runtime, package_version, unavailable
from edge_agent.runtimes.interpreter import InterpreterRuntime

_INSTALL = "install the extra agent-litert"


def load(file: Path, delegate: str, threads: int) -> Runtime:
    """See `base.open_runtime`; delegates: "xnnpack", "none"."""
    try:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType
    except ImportError as error:
        raise unavailable("litert", delegate, error, _INSTALL) from None
    resolvers = {"xnnpack": OpResolverType.AUTO, "none": OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    if delegate not in resolvers:
        raise unavailable("litert", delegate, "a delegate that this agent cannot drive yet", "list xnnpack after it")
    try:
        interpreter = Interpreter(str(file), num_threads=threads, experimental_op_resolver_type=resolvers[delegate])
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        raise unavailable("litert", delegate, error, "convert the model again, or list another runtime") from None
    runtime = InterpreterRuntime(interpreter, package_version("ai-edge-litert"))
    if delegate == "xnnpack" and runtime.nodes.delegated == 0:
        raise unavailable("litert", delegate, "no node of it that XNNPACK takes", "list litert/none after it")
    return runtime
