"""XNNPACK's weight cache: a model's weights as XNNPACK wants them, in a file that the next start maps into memory.

LiteRT offers it through CompiledModel only. XNNPACK itself sets aside a file of another version, another
processor or other weights, but not one with changed bytes inside: the golden vectors find those.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec

from edge_agent.runtimes import compiled
from edge_agent.runtimes.base import Nodes, Runtime
from edge_agent.runtimes.interpreter import count_nodes
from firmware_profiles import atomic


def opened(file: Path, cache: Path, threads: int, version: str) -> Runtime | None:
    """The model on XNNPACK with its weights in `cache`, which are written there if they are missing.

    None where XNNPACK takes no node of it, or the folder takes no file.

    Raises:
        RuntimeError, ValueError: the model cannot be loaded.
    """
    folder = cache / f"xnnpack-{version}"
    weights, counted = folder / "weights", folder / "nodes.json"
    try:
        if not weights.exists():
            _write(file, folder, weights, counted, threads)
        nodes = msgspec.json.decode(counted.read_bytes(), type=Nodes)
    except (OSError, ValueError):
        return None
    return _compiled(file, weights, threads, version, nodes) if nodes.delegated else None


def _write(file: Path, folder: Path, weights: Path, counted: Path, threads: int) -> None:
    """Both files, in an order and with names that a power cut cannot turn into half a cache."""
    from ai_edge_litert.interpreter import Interpreter

    folder.mkdir(parents=True, exist_ok=True)
    interpreter = Interpreter(str(file))
    interpreter.allocate_tensors()
    nodes = count_nodes(interpreter)
    del interpreter  # its copy of the weights, before there is a second one
    atomic.write_bytes(counted, msgspec.json.encode(nodes))
    temporary = folder / f".weights.{os.getpid()}.tmp"
    try:
        _compiled(file, temporary, threads, "", nodes)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, weights)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    atomic.sync_folder(folder)


def _compiled(file: Path, weights: Path, threads: int, version: str, nodes: Nodes) -> Runtime:
    from ai_edge_litert.options import CpuOptions, Options

    cpu = CpuOptions(num_threads=threads, xnnpack_weight_cache_path=str(weights))
    return compiled.opened(file, Options(cpu_options=cpu), version, nodes)
