"""Raw inputs on disk: .npz (`x`, `y`), a folder of images, CSV; one alone as an image or .npy.

Raw means before the declared pre-processing: images are uint8 [height, width, channels] (RGB) or
[height, width] (gray); tensors are numbers in the shape that the model takes, without its batch.
"""

from __future__ import annotations

import csv
import itertools
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np

from edge_agent.flow import images
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

MAX_BYTES = 8 << 30
TARGET_COLUMNS = ("label", "target", "y")


class Dataset:
    """Raw inputs by index.

    Attributes:
        path: where they came from.
        names: one a raw input, for people.
        targets: int64 [n] or float [n, …]; class names [n] (str) where the data names classes; None
            without labels.
    """

    def __init__(
        self, path: Path, names: Sequence[str], read: Callable[[int], Array], targets: Array | None = None
    ) -> None:
        self.path = path
        self.names = names
        self.targets = targets
        self._read = read

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Array:
        return self._read(index)

    def __iter__(self) -> Iterator[Array]:
        return map(self._read, range(len(self)))

    def spread(self, limit: int) -> Dataset:
        """At most `limit` of the items, spread evenly over them all."""
        if limit >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, limit).round().astype(int)
        targets = None if self.targets is None else self.targets[chosen]
        return Dataset(self.path, [self.names[i] for i in chosen], lambda i: self._read(int(chosen[i])), targets)


def open_dataset(path: Path) -> Dataset:
    """The data at `path`.

    Raises:
        InputError: it is missing, empty, of another format, or damaged.
    """
    if not path.exists():
        raise InputError(Problem(str(path), "data", "no such file or folder", "check the path"))
    if path.is_dir():
        data = _folder(path)
    elif path.suffix == ".npz":
        data = _npz(path)
    elif path.suffix == ".npy":
        data = _npy(path)
    elif path.suffix == ".csv":
        data = _csv(path)
    elif path.suffix.lower() in images.SUFFIXES:
        data = Dataset(path, [path.name], lambda _: images.read(path))
    else:
        found = path.suffix or "a file without a suffix"
        _fail(path, "a .npz, .npy or .csv file, an image, or a folder of images", found, "bring it into one of these")
    if not len(data):
        _fail(path, "at least one item", "none", "is it the right file?")
    return data


def _fail(path: Path, expected: str, found: object, step: str) -> NoReturn:
    raise InputError(Problem(str(path), expected, str(found), step))


def _load(path: Path) -> dict[str, Array]:
    if path.stat().st_size > MAX_BYTES:
        _fail(path, f"at most {MAX_BYTES >> 30} GiB", f"{path.stat().st_size} bytes", "take fewer items")
    try:
        loaded = np.load(path, allow_pickle=False)
        return {"x": loaded} if isinstance(loaded, np.ndarray) else {key: loaded[key] for key in loaded.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        _fail(path, "arrays written by numpy", error, "write it again, without objects")


def _npy(path: Path) -> Dataset:
    """One raw input."""
    raw = _load(path)["x"]
    return Dataset(path, [path.name], lambda _: raw)


def _npz(path: Path) -> Dataset:
    """`x` [n, …] and perhaps `y` [n, …]."""
    arrays = _load(path)
    if "x" not in arrays:
        _fail(path, "an array x (and y with the labels)", f"arrays {', '.join(sorted(arrays)) or 'none'}", "rename it")
    x, y = arrays["x"], arrays.get("y")
    if x.ndim == 0:
        _fail(path, "x with one item a row", "a single number", "stack the items")
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        _fail(path, f"as many labels as items ({len(x)})", f"y of shape {y.shape}", "write x and y together")
    return Dataset(path, range_names(len(x)), lambda i: x[i], y)


def range_names(count: int) -> list[str]:
    """Names of items that have none of their own."""
    return [str(index) for index in range(count)]


def _folder(path: Path) -> Dataset:
    """Class folders of images, or images without labels."""
    classes = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    if not classes:
        files = images.files_in(path)
        return Dataset(path, [file.name for file in files], lambda i: images.read(files[i]))
    files = list(itertools.chain.from_iterable(map(images.files_in, classes)))
    targets = np.array([file.parent.name for file in files])
    names = [f"{file.parent.name}/{file.name}" for file in files]
    return Dataset(path, names, lambda i: images.read(files[i]), targets)


def _csv(path: Path) -> Dataset:
    """Rows of numbers under a header; a column named as in `TARGET_COLUMNS` holds the labels."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            header, *rows = csv.reader(stream)
    except (UnicodeDecodeError, csv.Error, ValueError) as error:
        _fail(path, "a header and rows of numbers", error, "save it as UTF-8 CSV with a header")
    rows = [row for row in rows if row]
    odd = next((number for number, row in enumerate(rows, 2) if len(row) != len(header)), None)
    if odd:
        _fail(path, f"{len(header)} columns as in the header", f"another number in row {odd}", "mend the row")
    column = next((i for i, name in enumerate(header) if name.strip().lower() in TARGET_COLUMNS), None)
    features = [[cell for i, cell in enumerate(row) if i != column] for row in rows]
    try:
        x = np.array(features, dtype=np.float32)
    except ValueError as error:
        _fail(path, "numbers in every column but the label", error, "remove or encode the text columns")
    if column is None:
        return Dataset(path, range_names(len(x)), lambda i: x[i])
    return Dataset(path, range_names(len(x)), lambda i: x[i], _target_column([row[column] for row in rows]))


def _target_column(cells: list[str]) -> Array:
    """Whole numbers are class indices, other numbers are values, anything else is class names."""
    for kind in (np.int64, np.float64):
        try:
            return np.array(cells, dtype=str).astype(kind)
        except ValueError:
            continue
    return np.array(cells)
