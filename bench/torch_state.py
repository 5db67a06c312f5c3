"""A PyTorch state dict of the years before PyTorch 1.6, read without PyTorch: pickles, then the numbers one by one.

The format is that of `torch.serialization._legacy_save`: a magic number, a version, what machine it was, the object
with its storages named by key, the keys in order, and for each an int64 count and its float32 values.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_BEFORE = 3


class _Tensor(NamedTuple):
    """Where a tensor lies: how `torch._utils._rebuild_tensor` is called."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Knows three names, so that a file can run nothing."""

    def find_class(self, module: str, name: str) -> Any:
        known = {"OrderedDict": dict, "_rebuild_tensor": _Tensor, "FloatStorage": "float32"}
        if module not in ("collections", "torch._utils", "torch") or name not in known:
            raise pickle.UnpicklingError(f"{module}.{name} in a state dict")
        return known[name]

    def persistent_load(self, pid: Any) -> str:
        return str(pid[2])


def read(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """Name → values, float32, of the entry `state_dict`."""
    with path.open("rb") as file:
        for _ in range(_BEFORE):
            _Reader(file).load()
        tensors = _Reader(file).load()["state_dict"]
        stored = {}
        for key in _Reader(file).load():
            count = int.from_bytes(file.read(8), "little")
            stored[key] = np.frombuffer(file.read(4 * count), "<f4")
    return {
        name: np.lib.stride_tricks.as_strided(
            stored[each.storage][each.offset :], each.shape, [4 * stride for stride in each.strides]
        ).copy()
        for name, each in tensors.items()
    }
