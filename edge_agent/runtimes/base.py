"""What every runtime offers, and how one is opened by name."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from firmware_profiles.errors import Problem, UnavailableError

Array = npt.NDArray[Any]


class Nodes(NamedTuple):
    """How many of a model's nodes the delegate took, of how many; None where it cannot be told.

    Attributes:
        left: operators of the nodes that it did not take.
    """

    delegated: int | None
    total: int | None
    left: tuple[str, ...] = ()


class Runtime(Protocol):
    """A loaded model.

    Attributes:
        version: of the runtime's package.
        nodes: what the delegate really took.
    """

    version: str
    nodes: Nodes

    def quantize(self, real: Array) -> Array:
        """What becomes of the first input: the model's own integers, or what came in where it takes floats."""
        ...

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """One inference.

        Args:
            inputs: float32 tensors with their batch dimension, in the model's order; quantized here
                where the model's inputs are integers, unless they have that type already.

        Returns:
            Output tensors with their batch dimension, float32 where the model's are quantized.
        """
        ...

    def primed(self, inputs: Sequence[Array]) -> Callable[[], object]:
        """The same inference again and again, with its inputs already in place: what is to be timed."""
        ...


def open_runtime(name: str, delegate: str, file: Path, threads: int) -> Runtime:
    """Load the model in `file` with the runtime `name` and `delegate` on `threads` threads.

    Raises:
        UnavailableError: the runtime or delegate is not here, or it cannot load this model.
    """
    module = importlib.import_module(f"edge_agent.runtimes.{name}")
    runtime: Runtime = module.load(file, delegate, threads)
    return runtime


def unavailable(name: str, delegate: str, found: object, step: str) -> UnavailableError:
    """The error for a runtime and delegate that cannot be used."""
    text = " ".join(str(found).split())[:300]
    return UnavailableError(Problem(f"runtime {name}/{delegate}", "to load the model", text, step))


def package_version(package: str) -> str:
    """The installed version of a distribution."""
    return importlib.metadata.version(package)
