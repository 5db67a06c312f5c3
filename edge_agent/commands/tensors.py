"""`edge-agent tensors`: check data against a model and write it as the model's input tensors.

The converter calibrates with what this writes, so that calibration, evaluation and the device share
one pre-processing.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
import numpy as np

from edge_agent.arrays import write_npz
from edge_agent.flow.dataset import Dataset, open_dataset
from edge_agent.flow.labelled import checked
from edge_agent.flow.preprocess import Preprocessor, tensors
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import Model


class Written(msgspec.Struct, frozen=True):
    """What `tensors --json` prints."""

    items: int
    labelled: bool


def main(arguments: argparse.Namespace) -> int:
    """Write `x` (raw), `t0` (float32 [n, …], no batch axis of its own) and `y` if there are labels."""
    model = _read_model(arguments.model)
    data = open_dataset(arguments.data)
    if arguments.limit:
        data = data.spread(arguments.limit)
    labelled = checked(data, model)
    preprocess = Preprocessor(model.pre, model.inputs[0])
    raws = _read_all(data)
    arrays = {"x": _stacked(raws, preprocess), "t0": tensors(preprocess, raws)}
    if labelled.targets is not None:
        arrays["y"] = labelled.targets
    write_npz(arguments.out, arrays)
    written = Written(len(raws), labelled.targets is not None)
    print(msgspec.json.encode(written).decode() if arguments.json else f"{written.items} items → {arguments.out}")
    return 0


def _read_model(path: Path) -> Model:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Model)
    except (OSError, msgspec.MsgspecError) as error:
        raise InputError(Problem(str(path), "a model as in a manifest, as JSON", str(error), "check it")) from None


def _read_all(data: Dataset) -> list[Array]:
    return list(data)


def _stacked(raws: list[Array], preprocess: Preprocessor) -> Array:
    """The raw items; images of several sizes in the model's size, since an array has only one."""
    if len({raw.shape for raw in raws}) == 1:
        return np.stack(raws)
    return np.stack([preprocess.resized(raw) for raw in raws])
