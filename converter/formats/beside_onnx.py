"""The files beside an ONNX file that hold its weights: ONNX calls them external data."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # its stubs are a package more

_MOST_GRAPH_BYTES = 64 << 20
"""A larger file holds its weights itself, and is not read for this."""


def weights_beside(path: Path) -> list[Path]:
    """Those that are there, sorted; none for a file that cannot be read, which its loader tells."""
    if path.stat().st_size > _MOST_GRAPH_BYTES:
        return []
    try:
        graph = onnx.load(path, load_external_data=False).graph
    except (DecodeError, OSError, ValueError):
        return []
    names = {entry.value for tensor in graph.initializer for entry in tensor.external_data if entry.key == "location"}
    return sorted(file for file in (path.parent / name for name in names) if file.is_file())
