"""Bytes that somebody sent become a raw input: a message's payload, a dropped file, a line of JSON.

Whatever the bytes are, the answer is an array or an InputError, and memory is bounded by their
length: what an image or an .npy file says about its own size is checked before anything is made.
"""

from __future__ import annotations

import io
import math
import tokenize
from array import array
from collections.abc import Sequence
from typing import Any, Literal, NoReturn

import msgspec
import numpy as np

from edge_agent.flow import images
from edge_agent.flow.dataset import TARGET_COLUMNS
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

PayloadKind = Literal["json", "csv", "raw", "image", "npy"]
MAX_BYTES = 64 << 20
MAX_TEXT_BYTES = 4 << 20
"""Three bytes of JSON can become an object that takes seventy."""

_MAX_DEPTH = 8
_MAX_NPY_HEADER_BYTES = 4096
_NUMBERS = "fiub"


def decode(
    body: bytes,
    kind: PayloadKind,
    *,
    dtype: str = "float32",
    shape: Sequence[int] = (),
    fields: Sequence[str] = (),
    separator: str = ",",
    columns: int = 0,
    where: str = "payload",
) -> Array:
    """The raw input in `body`.

    - json: a list of numbers, nested for more axes, at most eight: float64; with `fields`, an object
      of which these are taken [fields], or a list of such objects [n, fields].
    - csv: a row of numbers [columns], or several [n, columns]: float64. A first line of names is left
      out, and so is the column of labels that it names (`dataset.TARGET_COLUMNS`), unless there are just
      the declared `columns`.
    - raw: `dtype`, little endian, in C order, of just `shape`.
    - image: uint8 [height, width, 3] (RGB) or [height, width] (gray).
    - npy: numbers, in the shape and dtype that the file says.

    Raises:
        InputError: `body` is something else, or larger than 64 MiB (4 MiB of text).
    """
    limit = MAX_TEXT_BYTES if kind in ("json", "csv") else MAX_BYTES
    if len(body) > limit:
        _fail(where, f"at most {limit >> 20} MiB of {kind}", f"{len(body)} bytes", "send less at once")
    if kind == "json":
        return _json(body, fields, where)
    if kind == "csv":
        return _csv(body, separator, columns, where)
    if kind == "raw":
        return _raw(body, dtype, shape, where)
    return images.decode(body, where) if kind == "image" else _npy(body, where)


def _fail(where: str, expected: str, found: object, step: str = "mend what is sent") -> NoReturn:
    raise InputError(Problem(where, expected, str(found)[:200], step))


def _json(body: bytes, fields: Sequence[str], where: str) -> Array:
    try:
        document = msgspec.json.decode(body)
    except RecursionError:
        _fail(where, "JSON", "lists nested too deep")
    except ValueError as error:  # msgspec's errors are ValueErrors, and so is bad UTF-8
        _fail(where, "JSON", error)
    if fields:
        many = isinstance(document, list)
        rows = [_picked(row, fields, where) for row in (document if many else [document])]
        return _finite(rows if many else rows[0], where)
    if not isinstance(document, list) or b'"' in body:  # numpy would read "1.5" as a number
        _fail(where, "a list of numbers", "something else")
    return _finite(document, where)


def _picked(row: Any, fields: Sequence[str], where: str) -> list[Any]:
    if not isinstance(row, dict):
        _fail(where, f"an object with {', '.join(fields)}", type(row).__name__)
    missing = [name for name in fields if not isinstance(row.get(name), int | float)]
    if missing:
        _fail(where, f"numbers in the fields {', '.join(fields)}", f"none in {', '.join(missing)}")
    return [row[name] for name in fields]


def _finite(values: list[Any], where: str) -> Array:
    """A nested list as float64, if it is numbers only and even."""
    if (depth := _depth(values)) > _MAX_DEPTH:
        _fail(where, f"at most {_MAX_DEPTH} axes", depth)
    try:
        found = np.array(values, np.float64)
    except (ValueError, TypeError, OverflowError):
        _fail(where, "numbers, in lists of equal length", "something else")
    if not found.size or not np.isfinite(found).all():
        _fail(where, "finite numbers", "null, one too large, or nothing")
    return found


def _depth(values: Any) -> int:
    depth = 0
    while isinstance(values, list):
        depth, values = depth + 1, values[0] if values else None
    return depth


def _csv(body: bytes, separator: str, columns: int, where: str) -> Array:
    lines = (line.strip() for line in io.BytesIO(body.removeprefix(b"\xef\xbb\xbf")))
    values, width, names = array("d"), 0, b""
    for number, line in enumerate(filter(None, lines), 1):
        try:
            row = numbers(line, separator)
        except ValueError as error:
            if number > 1:
                _fail(where, "finite numbers in every column", f"{error} in row {number}")
            names = line
            continue
        width = width or len(row)
        if len(row) != width:
            _fail(where, f"{width} columns", f"{len(row)} in row {number}")
        values.extend(row)
    if not values:
        _fail(where, "a row of finite numbers", "none")
    rows = np.array(values).reshape(-1, width)
    if names and width != columns:
        rows = _without_labels(rows, names.decode("utf-8", "replace").lower().split(separator), where)
    if columns not in (0, rows.shape[1]):
        _fail(where, f"{columns} columns", rows.shape[1])
    return rows[0] if len(rows) == 1 else rows


def _without_labels(rows: Array, names: list[str], where: str) -> Array:
    if len(names) != rows.shape[1]:
        _fail(where, f"{len(names)} columns, as in the first line", rows.shape[1])
    return rows[:, [name.strip(' "') not in TARGET_COLUMNS for name in names]]


def numbers(line: bytes, separator: str) -> list[float]:
    """The numbers in a line of CSV.

    Raises:
        ValueError: one is none, or not finite.
    """
    cells = line.split(separator.encode())
    if b"_" in line:  # Python reads 1_000 as a number; nothing else does
        raise ValueError("an underscore")
    values = list(map(float, cells))
    if not all(map(math.isfinite, values)):
        raise ValueError("a NaN or an infinity")
    return values


def _raw(body: bytes, dtype: str, shape: Sequence[int], where: str) -> Array:
    kind = np.dtype(dtype).newbyteorder("<")
    wanted = math.prod(shape) * kind.itemsize
    if len(body) != wanted:
        _fail(where, f"{wanted} bytes ({dtype} of shape {tuple(shape)})", len(body))
    return np.frombuffer(body, kind).reshape(shape).astype(dtype, copy=False)


def _npy(body: bytes, where: str) -> Array:
    """numpy's own reader makes room for what a header says before it looks how much there is."""
    stream = io.BytesIO(body)
    readers: Any = np.lib.format  # which numpy leaves untyped
    try:
        version = readers.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            _fail(where, "an .npy file of version 1 or 2", version)
        read = readers.read_array_header_1_0 if version == (1, 0) else readers.read_array_header_2_0
        shape, fortran, dtype = read(stream, max_header_size=_MAX_NPY_HEADER_BYTES)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError, tokenize.TokenError) as error:
        _fail(where, "an .npy file", error)
    if dtype.kind not in _NUMBERS or dtype.subdtype is not None or len(shape) > _MAX_DEPTH:
        _fail(where, f"numbers with at most {_MAX_DEPTH} axes", f"{dtype} of shape {shape}")
    at, wanted = stream.tell(), math.prod(shape) * dtype.itemsize
    if any(size < 0 for size in shape) or len(body) - at != wanted:
        _fail(where, f"{wanted} bytes after the header, for {dtype} of shape {shape}", len(body) - at)
    values = np.frombuffer(body, dtype, offset=at).reshape(shape, order="F" if fortran else "C")
    return values.astype(dtype.newbyteorder("="), copy=False)
