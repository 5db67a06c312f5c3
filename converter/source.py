"""The trained models that a project names: each a file, or the code of a PyTorch network with its state."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter.formats import base
from converter.recipes import Recipe, SourceFormat
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import Count, Name

_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


class SourceTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[model.candidate]]`: another trained model for the same task, which competes with `[model]`'s own.

    Attributes:
        name: in front of its recipes, as in small/tflite-int8; empty only for `[model]`'s own.
        source, state, input_shape, layers: as in `[model]`.
    """

    name: Name
    source: str
    state: str = ""
    input_shape: list[Count] = []
    layers: str = ""


class Source(NamedTuple):
    """One trained model.

    Attributes:
        path: the file or folder; for PyTorch code that of the state dict.
        code: "module:function", which builds the network; empty for a file.
        folder: where `module` lies.
        input_shape: of one input without its batch; empty where the file says it.
        name: of its `[[model.candidate]]`; empty for `[model]`'s own.
        layers: path of the Python file that registers a Keras model's own layers; empty where it has none.
    """

    path: Path
    format: SourceFormat
    code: str = ""
    folder: Path = Path()
    input_shape: tuple[int, ...] = ()
    name: str = ""
    layers: str = ""

    def weight_bytes(self) -> int:
        """At least so much do the weights take as float32: Keras may keep an optimizer's two moments beside them."""
        files = self.path.rglob("*") if self.path.is_dir() else self.files()
        size_bytes = sum(file.stat().st_size for file in files if file.is_file())
        return size_bytes // 3 if self.format in ("keras", "h5", "savedmodel") else size_bytes

    def files(self) -> list[Path]:
        """The file or folder, and what an ONNX file keeps beside it."""
        if self.format != "onnx":
            return [self.path]
        from converter.formats.beside_onnx import weights_beside

        return [self.path, *weights_beside(self.path)]

    def key(self, recipe: Recipe) -> str:
        """Names what the recipe makes of this model, among all candidates of a conversion."""
        return f"{self.name}/{recipe.name}" if self.name else recipe.name

    @property
    def table(self) -> str:
        """Where it stands in the project file."""
        return _table(self.name)

    @property
    def title(self) -> str:
        """For people."""
        return self.code or self.path.name


def is_code(source: str) -> bool:
    """Whether it is "module:function" and not a path."""
    return bool(_CODE.match(source))


def problems(tables: Sequence[SourceTable], where: str) -> Iterator[Problem]:
    """What is wrong with the names."""
    names = [table.name for table in tables]
    for name in dict.fromkeys(names):
        if names.count(name) > 1:
            yield Problem(f"{where}: model.candidate {name}", "a name of its own", "one that is taken", "rename it")


def find(folder: Path, table: SourceTable) -> Source:
    """The model that a project in `folder` names.

    Raises:
        InputError: there is none, or it is of no known format, or something is missing.
    """
    if not is_code(table.source):
        path = folder / table.source
        layers = str((folder / table.layers).absolute()) if table.layers else ""
        return Source(path, base.detect(path), input_shape=tuple(table.input_shape), name=table.name, layers=layers)
    wanted = {
        "state": (table.state, "the file of the network's state dict", "give its path"),
        "input_shape": (table.input_shape, "the shape of one input without its batch", "give it, as in [3, 32, 32]"),
    }
    missing = [
        Problem(f"{_table(table.name)}.{key}", expected, "nothing", step)
        for key, (given, expected, step) in wanted.items()
        if not given
    ]
    if missing:
        raise InputError(*missing)
    return Source(folder / table.state, "torch", table.source, folder, tuple(table.input_shape), table.name)


def _table(name: str) -> str:
    return f"model.candidate {name}" if name else "model"
