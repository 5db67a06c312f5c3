"""The trained model that a project names: a file, or the code of a PyTorch network with its state."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from converter.formats import base
from converter.recipes import SourceFormat
from firmware_profiles.errors import InputError, Problem

_CODE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")


class Source(NamedTuple):
    """One trained model.

    Attributes:
        path: the file or folder; for PyTorch code that of the state dict.
        code: "module:function", which builds the network; empty for a file.
        folder: where `module` lies.
        input_shape: of one input without its batch; empty where the file says it.
    """

    path: Path
    format: SourceFormat
    code: str = ""
    folder: Path = Path()
    input_shape: tuple[int, ...] = ()

    def weight_bytes(self) -> int:
        """At least so much do the weights take as float32: Keras may keep an optimizer's two moments beside them."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        size_bytes = sum(file.stat().st_size for file in files if file.is_file())
        return size_bytes // 3 if self.format in ("keras", "h5", "savedmodel") else size_bytes

    @property
    def name(self) -> str:
        """For people."""
        return self.code or self.path.name


def is_code(source: str) -> bool:
    """Whether it is "module:function" and not a path."""
    return bool(_CODE.match(source))


def find(folder: Path, source: str, state: str, input_shape: list[int]) -> Source:
    """The model that a project in `folder` names.

    Raises:
        InputError: there is none, or it is of no known format, or something is missing.
    """
    if not is_code(source):
        path = folder / source
        return Source(path, base.detect(path), input_shape=tuple(input_shape))
    wanted = {
        "model.state": (state, "the file of the network's state dict", "give its path"),
        "model.input_shape": (input_shape, "the shape of one input without its batch", "give it, as in [3, 32, 32]"),
    }
    problems = [Problem(key, expected, "nothing", step) for key, (given, expected, step) in wanted.items() if not given]
    if problems:
        raise InputError(*problems)
    return Source(folder / state, "torch", source, folder, tuple(input_shape))
