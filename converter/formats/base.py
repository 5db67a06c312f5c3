"""What every source format offers, and how a source is told apart and opened."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

from converter.protocol import Description, Export, Layer, Rank
from converter.recipes import SourceFormat
from firmware_profiles.errors import InputError, Problem

KNOWN = "a Keras file (.keras, .h5), a SavedModel folder, a .tflite, an .onnx or a .pt2 file"
_HEAD_BYTES = 64
_SHOWN = 3
_IR_VERSIONS = range(3, 32)
_PICKLE = b"\x80"
_PYTORCH = 'a state dict needs its network: source = "module:function" and state = "FILE" in [model]'
_SIGNATURES = (
    (b"\x1f\x8b", "a gzip file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"<", "a text file"),
    (b"{", "a text file"),
)


class NoRouteError(Exception):
    """This source has no route to the recipe; the text is the reason."""


class ElsewhereError(Exception):
    """The libraries of this environment cannot load the source, those of a toolchain can; the text is the reason."""


class Told(NamedTuple):
    """What an export did.

    Attributes:
        layers: what quantization does to each, where that is known.
        said: what passes over the whole model did, for people.
    """

    layers: Sequence[Layer] = ()
    said: Sequence[str] = ()


class SourceModel(Protocol):
    """A loaded model."""

    def describe(self) -> Description:
        """Its inputs and outputs."""
        ...

    def export(self, request: Export) -> Told:
        """Write `request.target`.

        Raises:
            NoRouteError: this source cannot take this route.
        """
        ...


@runtime_checkable
class Quantizable(Protocol):
    """A loaded model of a format that recipes quantize."""

    def rank(self, request: Rank) -> list[Layer]:
        """See `protocol.Ranked`."""
        ...


def detect(path: Path) -> SourceFormat:
    """The format of the model at `path`, by its content.

    Raises:
        InputError: there is none, or it is of no known format.
    """
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "savedmodel"
        raise _odd(path, "a folder without saved_model.pb")
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as error:
        raise InputError(Problem(str(path), KNOWN, (error.strerror or "").lower(), "check the path")) from None
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "h5"
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK\3\4"):
        return _zip(path)
    if len(head) > 2 and head[0] == 0x08 and head[1] in _IR_VERSIONS:  # field 1, ir_version, of onnx.ModelProto
        return "onnx"
    if head.startswith(_PICKLE):
        raise _odd(path, "a Python pickle, as old PyTorch writes it", _PYTORCH)
    known = (name for signature, name in _SIGNATURES if head.startswith(signature))
    raise _odd(path, next(known, f"a file that begins with {head[:8]!r}" if head else "an empty file"))


def load(path: Path, source_format: SourceFormat) -> SourceModel:
    """Load the model; the libraries are imported here, by the format's own file.

    Raises:
        InputError: it is damaged, or of a kind that cannot be converted.
    """
    module = "keras" if source_format in ("keras", "h5", "savedmodel") else source_format
    model: SourceModel = importlib.import_module(f"converter.formats.{module}").load(path, source_format)
    return model


def damaged(path: Path, kind: str, error: object) -> InputError:
    """The error for a file whose library cannot read it."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    return InputError(Problem(str(path), f"a whole {kind}", text, "export it again"))


def not_numbers(path: Path, tensors: list[str]) -> InputError:
    """The error for a model some of whose weights are NaN."""
    more = f" and {len(tensors) - _SHOWN} more" if len(tensors) > _SHOWN else ""
    found = f"NaN in {', '.join(tensors[:_SHOWN])}{more}"
    return InputError(Problem(str(path), "weights that are numbers", found, "train it again"))


def _zip(path: Path) -> SourceFormat:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise damaged(path, ".keras file (a ZIP)", error) from None
    if "config.json" in names:
        return "keras"
    if any(name.endswith("/archive_format") for name in names):
        return "pt2"
    if any(name.endswith("/data.pkl") for name in names):
        raise _odd(path, "a PyTorch file", _PYTORCH)
    raise _odd(path, "a ZIP without config.json")


def _odd(path: Path, found: str, step: str = "export the model in one of these") -> InputError:
    return InputError(Problem(str(path), KNOWN, found, step))
