"""`python -m bench.train [RECIPE…] [--seed N…]`: compression by training on CIFAR-10, one result a recipe and seed.

Each result is one JSON file under bench/train/, committed with its seed; what is there is not trained again, and a
training that was stopped goes on from its checkpoint under build/bench-train. `bench.train_report` makes the table.
Trained on train_8000 + calib_train_2000, evaluated once, at the end, on test_1000.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np

from bench.train_measured import Result, measured
from converter.training.protocol import LINE, Told, Train, Trained, encode
from converter.training.settings import Settings

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "cifar10"
RESULTS, WORK = ROOT / "bench" / "train", ROOT / "build" / "bench-train"
RESNET8, RESNET20 = "resnet8", "resnet20"
RECIPES: tuple[tuple[str, str], ...] = (
    (RESNET8, "distil+qat-int8"),
    (RESNET8, "prune70+distil+qat-int8"),
    (RESNET8, "channels25+distil+qat-int8"),
    (RESNET8, "prune80+distil+qat-int8"),
    (RESNET20, "channels25+distil+qat-int8"),
)
SETTINGS = Settings(epochs=30, batch=64, learning_rate=1e-3, augment=["flip", "shift"], teacher_weight=0.9)


def main() -> None:
    """Train what is missing."""
    parser = argparse.ArgumentParser(prog="bench.train")
    parser.add_argument("recipes", nargs="*", metavar="RECIPE")
    parser.add_argument("--seed", type=int, nargs="*", default=[0, 1, 2])
    asked = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(exist_ok=True)
    data = _data()
    for seed in asked.seed:
        for model, recipe in RECIPES:
            path = RESULTS / f"{model}-{recipe}-seed{seed}.json"
            if path.exists() or (asked.recipes and recipe not in asked.recipes):
                continue
            result = _one(model, recipe, seed, data)
            path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
            print(path)


def _one(model: str, recipe: str, seed: int, data: Path) -> Result:
    source, test = DATA / "models" / "resnet8_mlperf_keras.h5", DATA / "data" / "test_1000.npz"
    if model == RESNET20:
        from bench import resnet20

        source = resnet20.saved(DATA / "models" / "resnet20_akamaster.th", WORK / "resnet20.keras")
        data, test = (resnet20.data(each, WORK / f"resnet20-{each.name}") for each in (data, test))
    settings = msgspec.structs.replace(SETTINGS, seed=seed)
    name = f"{model}-{recipe}-seed{seed}"
    request = Train(
        model=str(source),
        format=source.suffix[1:],
        recipe=recipe,
        task="classification",
        data=str(data),
        teacher="",
        target=str(WORK / name),
        checkpoints=str(WORK / f"{name}.checkpoints"),
        key=f"{name}/{msgspec.json.encode(settings).decode()}",
        settings=settings,
    )
    trained = _trained(request)
    return measured(model, trained, source, test, data)


def _trained(request: Train) -> Trained:
    """In a process of its own, as a conversion does it."""
    line = [sys.executable, "-m", "converter.training", encode(request).decode()]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        for told in process.stdout:
            one = LINE.decode(told)
            if isinstance(one, Told):
                print(time.strftime("%H:%M:%S"), one.text, flush=True)
            elif isinstance(one, Trained):
                return one
            else:
                raise SystemExit(f"{request.recipe}: {one}")
    raise SystemExit(f"{request.recipe}: the training process ended with {process.returncode}")


def _data() -> Path:
    """The training data as `edge-agent tensors` writes it: raw pixels as float32, as both models take them here."""
    path = WORK / "train.npz"
    if not path.exists():
        parts = [np.load(DATA / "data" / name) for name in ("train_8000.npz", "calib_train_2000.npz")]
        x = np.concatenate([part["x"] for part in parts])
        np.savez(path, x=x, t0=x.astype(np.float32), y=np.concatenate([part["y"] for part in parts]))
    return path


if __name__ == "__main__":
    main()
