"""`python -m tests.converter.facts_of_training`: how a training goes, stops and goes on, as JSON on the last line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np

from converter.passes.finetune import Watch, finetune
from converter.passes.keras_graph import copied
from converter.training import data, objective, run
from converter.training.protocol import Train
from converter.training.settings import Settings
from converter.training.stepping import TooLittleTimeError
from firmware_profiles.errors import InputError
from tests.converter import small_nets

QUICK = Settings(epochs=3, batch=32, seed=3, augment=["flip", "shift", "cutout"])


class _PowerCutError(Exception):
    pass


def main() -> None:
    """Print the facts."""
    ours, _ = small_nets.digits()
    keras.utils.set_random_seed(7)
    model = small_nets.tiny()
    split = data.split(ours, QUICK)
    whole = _run(model, split, QUICK)
    wild = _run(model, split, msgspec.structs.replace(QUICK, learning_rate=1e30, epochs=6))
    facts = {
        "again": whole["weights"] == _run(model, split, QUICK)["weights"],
        "other_seed": whole["weights"] == _run(model, split, msgspec.structs.replace(QUICK, seed=4))["weights"],
        "after_power_cut": whole["weights"] == _cut_and_resumed(model, split)["weights"],
        "diverged": {key: wild[key] for key in ("diverged", "epochs", "finite", "told")},
        "told": whole["told"],
        "int8_by_batch": [_int8(model, ours, batch) for batch in (16, 64, 128)],
        "no_time": _no_time(model, split),
        "bad": {name: _checked(model, *case) for name, case in _bad(ours).items()},
    }
    print(json.dumps(facts))


def _run(model: Any, split: data.Split, settings: Settings, watch: Watch | None = None) -> dict[str, Any]:
    student, told = copied(model), []
    watch = watch or Watch(told.append)
    found = finetune(student, split, settings, objective.plain("crossentropy"), "crossentropy", watch=watch)
    weights = student.get_weights()
    return {
        "weights": [float(each.astype(np.float64).sum()) for each in weights],
        "finite": all(np.isfinite(each).all() for each in weights),
        "epochs": len(found.curve),
        "diverged": found.diverged,
        "told": told,
    }


def _cut_and_resumed(model: Any, split: data.Split) -> dict[str, Any]:
    """The process is gone after the second epoch; the next one goes on from its checkpoint."""

    def cut(text: str) -> None:
        if text.startswith("epoch 2"):
            raise _PowerCutError

    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(_PowerCutError):
            _run(model, split, QUICK, Watch(cut, Path(folder), "one"))
        told: list[str] = []
        found = _run(model, split, QUICK, Watch(told.append, Path(folder), "one"))
        assert len(told) == 1, told
        return found


def _int8(model: Any, items: data.Items, batch: int) -> str:
    """Hash of the file that one epoch of qat-int8 leads to."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "made")
        model.save(source := Path(folder, "model.keras"))
        np.savez(of := Path(folder, "train.npz"), t0=items.x, y=items.y)
        paths = (str(source), "keras", "qat-int8", "classification", str(of), "", str(target), str(Path(folder, "at")))
        settings = msgspec.structs.replace(QUICK, epochs=1, batch=batch)
        made = run.run(Train(*paths, "one", settings), lambda _: None)
        return hashlib.sha256(Path(made.file).read_bytes()).hexdigest()


def _no_time(model: Any, split: data.Split) -> str:
    try:
        _run(model, split, QUICK, Watch(deadline_s=time.monotonic()))
    except TooLittleTimeError as error:
        return str(error)
    return ""


def _bad(ours: data.Items) -> dict[str, tuple[data.Items, str]]:
    return {
        "shape": (data.Items(ours.x[:, :4], ours.y), "crossentropy"),
        "labels": (data.Items(ours.x, ours.y + 5), "crossentropy"),
        "loss": (data.Items(ours.x, ours.y), "squared"),
        "targets": (data.Items(ours.x, ours.y.astype(np.float32)), "crossentropy"),
    }


def _checked(model: Any, items: data.Items, loss: str) -> list[str]:
    try:
        objective.check(model, items, loss, "train.npz")
    except InputError as error:
        return [str(problem) for problem in error.problems]
    return []


if __name__ == "__main__":
    main()
