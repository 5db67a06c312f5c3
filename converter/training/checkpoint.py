"""Where a training stands: one file, replaced whole after each epoch, so that a power cut costs one epoch."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from firmware_profiles import atomic

_NAME = "checkpoint.npz"


class Point(msgspec.Struct, frozen=True):
    """One epoch of the training curve; accuracies as parts of 1, both parts of the training data."""

    epoch: int
    loss: float
    accuracy: float
    held_out_loss: float
    held_out_accuracy: float
    seconds: float


class State(NamedTuple):
    """Attributes: `now`: every number that the next epoch begins with; `best`: of the model alone."""

    curve: list[Point]
    best_epoch: int
    now: list[Any]
    best: list[Any]


def save(folder: Path, key: str, state: State) -> None:
    """Replace the checkpoint in the folder, made if it is not there, by one of the training named `key`."""
    head = msgspec.json.encode((key, state.curve, state.best_epoch, len(state.now)))
    arrays = {f"a{index}": value for index, value in enumerate([*state.now, *state.best])}
    content = io.BytesIO()
    np.savez(content, head=np.frombuffer(head, np.uint8), **arrays)
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(folder / _NAME, content.getvalue())


def load(folder: Path, key: str) -> State | None:
    """The state of the training named `key`; None where there is none, or only another's, or a damaged one."""
    try:
        with np.load(folder / _NAME, allow_pickle=False) as arrays:
            told, curve, best_epoch, split = msgspec.json.decode(
                arrays["head"].tobytes(), type=tuple[str, list[Point], int, int]
            )
            if told != key:
                return None
            values = [arrays[f"a{index}"] for index in range(len(arrays.files) - 1)]
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return State(curve, best_epoch, values[:split], values[split:])
