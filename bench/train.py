"""`python -m bench.train [RECIPE…] [--seed N…]`: compression by training on CIFAR-10, one result a recipe and seed.

Each result is one JSON file under bench/train/, committed with its seed; what is there is not trained again, and a
training that was stopped goes on from its checkpoint under build/bench-train. `bench.train_report` makes the table.
Trained on train_8000 + calib_train_2000, evaluated once, at the end, on test_1000.

A training has one thread: TensorFlow takes a third less processor time so, and gives the same numbers each time. On
two cores two of these programs run at once; each takes what the other has not begun.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, NamedTuple

import msgspec
import numpy as np

from bench import resnet20
from bench.train_measured import Result, measured
from converter.training.protocol import LINE, Told, Train, Trained, encode
from converter.training.settings import Settings

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "cifar10"
RESULTS, WORK = ROOT / "bench" / "train", ROOT / "build" / "bench-train"
RESNET8, RESNET20 = "resnet8", "resnet20"
_ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
RECIPES: tuple[tuple[str, str], ...] = (
    (RESNET8, "distil+qat-int8"),
    (RESNET8, "prune70+distil+qat-int8"),
    (RESNET8, "channelsinside35+distil+qat-int8"),
    (RESNET8, "prune80+distil+qat-int8"),
    (RESNET20, "channelsinside40+distil+qat-int8"),
)
HINTS = {
    RESNET8: ["activation_2", "activation_4", "activation_6"],
    RESNET20: ["layer1.2.out", "layer2.2.out", "layer3.2.out"],
}
"""What each resolution's last addition gives."""

SETTINGS = Settings(epochs=30, batch=16, channels_by="l2", augment=["flip", "shift", "mix"])


class _Inputs(NamedTuple):
    model: Path
    train: Path
    test: Path


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(prog="bench.train")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--seed", type=int, nargs="*", default=[0, 1, 2])
    asked = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    with (WORK / "inputs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        inputs = {RESNET8: _of_resnet8(), RESNET20: _of_resnet20()}
    for seed in asked.seed:
        for model, recipe in RECIPES:
            path = RESULTS / f"{model}-{recipe}-seed{seed}.json"
            with (WORK / f"{path.stem}.lock").open("w") as lock:
                if path.exists() or (asked.recipes and recipe not in asked.recipes) or not _taken(lock):
                    continue
                result = _one(model, recipe, seed, inputs[model])
                path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
                print(path, flush=True)


def _taken(lock: IO[str]) -> bool:
    """Not by another of these programs; its end lets go."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _one(model: str, recipe: str, seed: int, given: _Inputs) -> Result:
    settings = msgspec.structs.replace(SETTINGS, seed=seed, hints=HINTS[model])
    name = f"{model}-{recipe}-seed{seed}"
    request = Train(
        model=str(given.model),
        format=given.model.suffix[1:],
        recipe=recipe,
        task="classification",
        data=str(given.train),
        teacher="",
        target=str(WORK / name),
        checkpoints=str(WORK / f"{name}.checkpoints"),
        key=f"{name}/{msgspec.json.encode(settings).decode()}",
        settings=settings,
    )
    return measured(model, _trained(request), given.model, given.test, given.train)


def _trained(request: Train) -> Trained:
    """In a process of its own, as a conversion does it."""
    line = [sys.executable, "-m", "converter.training", encode(request).decode()]
    environment = os.environ | _ONE_THREAD
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment) as process:
        assert process.stdout is not None
        for told in process.stdout:
            one = LINE.decode(told)
            if isinstance(one, Told):
                print(time.strftime("%H:%M:%S"), f"seed {request.settings.seed}:", one.text, flush=True)
            elif isinstance(one, Trained):
                return one
            else:
                raise SystemExit(f"{request.recipe}: {one}")
    raise SystemExit(f"{request.recipe}: the training process ended with {process.returncode}")


def _of_resnet8() -> _Inputs:
    return _Inputs(DATA / "models" / "resnet8_mlperf_keras.h5", _pixels(), DATA / "data" / "test_1000.npz")


def _of_resnet20() -> _Inputs:
    model = resnet20.saved(DATA / "models" / "resnet20_akamaster.th", WORK / "resnet20.keras")
    parts = (_pixels(), DATA / "data" / "test_1000.npz")
    return _Inputs(model, *(resnet20.data(each, WORK / f"resnet20-{each.name}") for each in parts))


def _pixels() -> Path:
    """The training data as `edge-agent tensors` writes it: pixels 0 to 255 as float32."""
    path = WORK / "train.npz"
    if not path.exists():
        parts = [np.load(DATA / "data" / name) for name in ("train_8000.npz", "calib_train_2000.npz")]
        x = np.concatenate([part["x"] for part in parts])
        np.savez(path, x=x, t0=x.astype(np.float32), y=np.concatenate([part["y"] for part in parts]))
    return path


if __name__ == "__main__":
    main()
