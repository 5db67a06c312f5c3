"""No model at all: answers zeros at once. It shows what the agent itself costs.

The model file is JSON: `{"outputs": [[1, 10]]}`, the shapes of the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.runtimes.base import Array, Nodes, Opening, Runtime, unavailable
from firmware_profiles.manifest import Dimensions


class _File(msgspec.Struct, forbid_unknown_fields=True):
    outputs: list[Dimensions]


def load(file: Path, delegate: str, opening: Opening) -> Runtime:  # every runtime is opened alike
    """See `base.open_runtime`."""
    try:
        shapes = msgspec.json.decode(file.read_bytes(), type=_File).outputs
    except msgspec.MsgspecError as error:
        raise unavailable("null", delegate, error, 'write {"outputs": [[1, 10]]}') from None
    return NullRuntime(shapes)


class NullRuntime:
    """Zeros of fixed shapes."""

    version = "1"
    nodes = Nodes(None, None)

    def __init__(self, shapes: Sequence[Sequence[int]]) -> None:
        self._outputs: list[Array] = [np.zeros(shape, np.float32) for shape in shapes]

    def quantize(self, real: Array) -> Array:
        """See `base.Runtime`."""
        return real

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `base.Runtime`."""
        return list(self._outputs)

    def primed(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """See `base.Runtime`."""
        return lambda: self._outputs
