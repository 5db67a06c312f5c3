"""A TFLite writer that writes equal content once.

A FlatBuffer is a graph, not a tree: any number of fields may point at one vector or table, and readers
cannot tell. flatc's own builders share nothing but vtables and, on request, strings.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

_IDENTIFIER = b"TFL3"
_DATA_ALIGNMENT = 16
"""`force_align` of Buffer.data in TFLite's schema, which the Python code made of it forgets."""


def packed(model: Any) -> bytes:
    """The file of a `ModelT`."""
    builder = SharingBuilder()
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


class SharingBuilder(flatbuffers.Builder):  # type: ignore[misc]  # flatbuffers ships no types
    """Shares vectors of numbers, strings and tables. Bytes (the weights) are aligned and never shared."""

    def __init__(self) -> None:
        super().__init__(1 << 16)
        self._vectors: dict[tuple[str, bytes], int] = {}
        self._tables: dict[tuple[Any, ...], int] = {}
        self._fields: list[tuple[Any, ...]] = []
        self._table_start = 0

    def CreateNumpyVector(self, x: npt.NDArray[Any]) -> int:  # noqa: N802  # overrides
        """One vector of numbers."""
        if x.dtype == np.uint8:
            self.Prep(_DATA_ALIGNMENT, x.size)
            return int(super().CreateNumpyVector(x))
        key = (x.dtype.str, x.tobytes())
        if key not in self._vectors:
            self._vectors[key] = super().CreateNumpyVector(x)
        return self._vectors[key]

    def CreateString(self, s: Any, encoding: str = "utf-8", errors: str = "strict") -> int:  # noqa: N802  # overrides
        """One string."""
        raw = s.encode(encoding, errors) if isinstance(s, str) else bytes(s)
        key = ("string", raw)
        if key not in self._vectors:
            self._vectors[key] = super().CreateString(raw)
        return self._vectors[key]

    def StartObject(self, numfields: int) -> None:  # noqa: N802  # overrides
        """Begin a table."""
        super().StartObject(numfields)
        self._fields = []
        self._table_start = self.Offset()

    def PrependSlot(self, flags: Any, o: int, x: Any, d: Any) -> None:  # noqa: N802  # overrides
        """A number in a table."""
        self._fields.append((o, flags, x))
        super().PrependSlot(flags, o, x, d)

    def PrependUOffsetTRelativeSlot(self, o: int, x: int, d: int) -> None:  # noqa: N802  # overrides
        """A reference in a table, by its distance from the end of the file."""
        self._fields.append((o, None, x))
        super().PrependUOffsetTRelativeSlot(o, x, d)

    def EndObject(self) -> int:  # noqa: N802  # overrides
        """End a table; one that was there before is dropped again, and the old one taken."""
        key = tuple(self._fields)
        if key in self._tables:
            self.head = len(self.Bytes) - self._table_start
            self.current_vtable, self.nested = None, False
            return self._tables[key]
        self._tables[key] = int(super().EndObject())
        return self._tables[key]
