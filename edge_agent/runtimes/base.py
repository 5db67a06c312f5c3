"""What every runtime offers, and how one is opened by name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy.typing as npt

from edge_agent.runtime_config import External
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.words import Precision

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


Announce = Callable[[str, float | None], None]
"""Told a sentence for people before and after something that takes minutes; its progress from 0 to 1, or None."""


def _to_nobody(text: str, progress: float | None) -> None:
    pass


class Opening(NamedTuple):
    """How a model is opened.

    Attributes:
        precision: of the model, which TensorRT wants to be told.
        cache: a folder for what a runtime may keep of this very model, to load it faster the next time;
            made when needed. None: nothing is kept.
        external: the device's external TFLite delegate.
        announce: may be called in the thread that opens, which is blocked until the model is loaded.
    """

    threads: int = 1
    precision: Precision = "float32"
    cache: Path | None = None
    external: External | None = None
    announce: Announce = _to_nobody


def open_runtime(name: str, delegate: str, file: Path, opening: Opening) -> Runtime:
    """Load the model in `file` with the runtime `name` and `delegate`.

    Raises:
        UnavailableError: the runtime or delegate is not here, or it cannot load this model.
    """
    module = importlib.import_module(f"edge_agent.runtimes.{name}")
    runtime: Runtime = module.load(file, delegate, opening)
    return runtime


def unavailable(name: str, delegate: str, found: object, step: str) -> UnavailableError:
    """The error for a runtime and delegate that cannot be used."""
    text = " ".join(str(found).split())[:300]
    return UnavailableError(Problem(f"runtime {name}/{delegate}", "to load the model", text, step))


def package_version(module: str) -> str:
    """The installed version of what brought an imported module: of `NAME-VERSION.dist-info` beside it (PEP 427).

    importlib.metadata tells the same after importing a parser of e-mails, which adds a seventh to a cold start.
    """
    folder = Path(sys.modules[module].__file__ or "").parent
    for found in folder.parent.glob(f"{module}-*.dist-info"):
        return found.stem.removeprefix(f"{module}-")
    import importlib.metadata

    return importlib.metadata.version(module)
