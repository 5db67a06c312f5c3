"""Tensors of the Open Inference Protocol: JSON numbers or little-endian bytes, and numpy arrays."""

from __future__ import annotations

import math
import struct
from typing import Any

import msgspec
import numpy as np

from edge_agent.runtimes.base import Array
from edge_agent.web import oip_metadata
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Model, Tensor

# Datatype → numpy's type, struct's letter, and what JSON holds: struct turns a list into an array in a
# quarter of numpy's own time.
_KINDS: dict[str, tuple[str, str, type]] = {
    "BOOL": ("?", "?", bool),
    "INT8": ("<i1", "b", int),
    "INT16": ("<i2", "h", int),
    "INT32": ("<i4", "i", int),
    "INT64": ("<i8", "q", int),
    "UINT8": ("<u1", "B", int),
    "UINT16": ("<u2", "H", int),
    "UINT32": ("<u4", "I", int),
    "UINT64": ("<u8", "Q", int),
    "FP16": ("<f2", "e", float),
    "FP32": ("<f4", "f", float),
    "FP64": ("<f8", "d", float),
}


def wrong(where: str, expected: str, found: object, step: str) -> InputError:
    """The error for a part of a request."""
    return InputError(Problem(where, expected, str(found), step))


class TensorDoor:
    """One input or output of a model as the protocol sees it.

    Attributes:
        shape: of the model's tensor, with its batch dimension.
        item: type of the numbers in JSON.
    """

    def __init__(self, model: Model, tensor: Tensor) -> None:
        self.name = tensor.name
        self.datatype = oip_metadata.datatype(model, tensor)
        self.shape = list(tensor.shape)
        self._count = math.prod(tensor.shape)
        code, letter, self.item = _KINDS[self.datatype]
        self.dtype = np.dtype(code)
        self._packed = struct.Struct(f"<{self._count}{letter}")
        self._numbers: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[self.item])  # type: ignore[name-defined]

    def check(self, datatype: str, shape: list[int]) -> None:
        """Compare what a request declares with what the model takes."""
        if datatype != self.datatype:
            raise wrong(f"input {self.name}: datatype", self.datatype, repr(datatype), "convert it, or see /v2/models")
        if shape != self.shape:
            raise wrong(f"input {self.name}: shape", str(self.shape), shape, "send one item in this shape")

    def from_bytes(self, raw: memoryview) -> Array:
        """The tensor in its binary form."""
        if len(raw) != self._packed.size:
            step = "send it whole, without padding"
            raise wrong(f"input {self.name}", f"{self._packed.size} bytes", f"{len(raw)}", step)
        if self.datatype == "BOOL":  # any byte but 0 is true
            raw = memoryview(np.frombuffer(raw, np.uint8) != 0)
        # A copy of its own: inside a body it may lie on any address, and runtimes want aligned ones.
        return np.frombuffer(raw, self.dtype).reshape(self.shape).copy()

    def from_json(self, raw: msgspec.Raw) -> Array:
        """The tensor from JSON numbers, flat or nested as its shape."""
        where = f"input {self.name}: data"
        try:
            numbers = self._numbers.decode(raw)
        except ValueError:  # nested, or not numbers of this type
            numbers = self._flattened(raw, where)
        if len(numbers) != self._count:
            raise wrong(where, f"{self._count} values", len(numbers), "send as many as the shape holds")
        try:
            packed = self._packed.pack(*numbers)
        except (struct.error, OverflowError):
            raise wrong(where, f"values that {self.datatype} holds", "a larger one", "scale them") from None
        return np.frombuffer(packed, self.dtype).reshape(self.shape)

    def to_json(self, output: Array) -> list[Any]:
        """Its numbers, flat.

        Raises:
            InputError: some are not finite: JSON has no word for those.
        """
        if self.item is float and not np.isfinite(output).all():
            raise wrong(f"output {self.name}", "finite numbers", "a NaN or an infinity", "ask for binary_data")
        flat: list[Any] = output.ravel().tolist()
        return flat

    def _flattened(self, raw: msgspec.Raw, where: str) -> list[Any]:
        try:
            level = [msgspec.json.decode(raw)]
        except RecursionError:
            raise wrong(where, "an array", "one nested too deep", "nest it as the shape") from None
        except ValueError as error:  # bad UTF-8
            raise wrong(where, "JSON", error, "mend it") from None
        for depth, size in enumerate(self.shape):
            if not all(isinstance(part, list) and len(part) == size for part in level):
                found = f"something else at depth {depth + 1}"
                raise wrong(where, f"lists nested as {self.shape}, or flat {self.item.__name__}s", found, "mend it")
            level = [item for part in level for item in part]
        try:
            return msgspec.convert(level, list[self.item])  # type: ignore[name-defined]
        except msgspec.ValidationError as error:
            raise wrong(where, f"{self.item.__name__}s", error, "mend it") from None
