"""The five real models beside the checkout, as projects; what issue 3 wants of them, and found other tools to do."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from firmware_profiles.manifest import InputSpec

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
MAX_DROP_POINTS = 0.5
_CIFAR = DATA / "cifar10"
_NETWORK = ROOT / "tests" / "converter" / "resnet_cifar.py"
_IMAGENET = InputSpec(
    "image", 32, 32, layout="nchw", scale=1 / 255, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]
)


class Items(NamedTuple):
    """Raw inputs and, of those that evaluate, their classes."""

    calibration: Any
    evaluation: Any
    classes: Any


class Benchmark(NamedTuple):
    """One model.

    Attributes:
        model: further keys of [model].
        shape: of the tensor that the model takes, without its batch.
        size_bytes, ratio: that the issue wants reached at once: of the file, and of float's latency.
        others: peers' smallest and fastest, as the issue tells them.
    """

    name: str
    title: str
    source: Path
    model: dict[str, Any]
    input: InputSpec
    shape: list[int]
    items: Callable[[], Items]
    size_bytes: int
    ratio: float
    others: tuple[str, str]

    def write(self, folder: Path) -> Path:
        """The project file, with its data beside it: raw for `godwit convert`."""
        items = self.items()
        np.savez(folder / "calibration-raw.npz", x=items.calibration)
        np.savez(folder / "evaluation-raw.npz", x=items.evaluation, y=items.classes)
        shutil.copy(_NETWORK, folder)
        tables = {
            "model": {"name": self.name, "version": "1.0.0", "task": "classification", **self.model},
            "input": _declared(self.input),
            "data": {"calibration": "calibration-raw.npz", "evaluation": "evaluation-raw.npz"},
            "goal": {"max_drop_points": MAX_DROP_POINTS},
            "targets": {"profiles": ["linux-x86_64"]},
        }
        path = folder / "godwit.toml"
        path.write_text("\n".join(_lines(tables)), encoding="utf-8")
        return path


def _declared(spec: InputSpec) -> dict[str, Any]:
    """What differs from the defaults: TOML has no word for nothing."""
    found = {field: getattr(spec, field) for field in spec.__struct_fields__}
    usual = InputSpec(spec.kind)
    return {"kind": spec.kind, **{field: value for field, value in found.items() if value != getattr(usual, field)}}


def _lines(tables: dict[str, dict[str, Any]]) -> Iterator[str]:
    for name, keys in tables.items():
        yield f"[{name}]"
        yield from (f"{key} = {msgspec.json.encode(value).decode()}" for key, value in keys.items())


def _cifar() -> Items:
    with np.load(_CIFAR / "data" / "calib_train_2000.npz") as train, np.load(_CIFAR / "data" / "test_1000.npz") as test:
        return Items(train["x"], test["x"], test["y"])


def _keywords() -> Items:
    """The split that SOURCES.md suggests."""
    with np.load(DATA / "kws" / "data" / "kws_mfcc_1000.npz") as arrays:
        return Items(arrays["x"][:200], arrays["x"][200:], arrays["y"][200:])


def _activities() -> Items:
    """Windows of 26 samples, every 13, in mg / 4000: as the model's own notebook cuts them; 500 of them calibrate."""
    windows: list[Any] = []
    classes: list[int] = []
    for index, name in enumerate(("stationary", "walking", "running")):
        for path in sorted((DATA / "har" / "data" / name).glob("*.csv")):
            rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))[1:]
            samples = np.array([row[:3] for row in rows if len(row) >= 3], np.float32) / 4000
            windows += [samples[start : start + 26] for start in range(0, len(samples) - 25, 13)]
            classes += [index] * (len(windows) - len(classes))
    order = np.random.default_rng(0).permutation(len(windows))
    x, y = np.stack(windows)[order], np.array(classes)[order]
    return Items(x[:500], x[500:], y[500:])


def _file(name: str, title: str, source: Path, rest: tuple[Any, ...]) -> Benchmark:
    return Benchmark(name, title, source, {"source": str(source)}, *rest)


_TENSOR = InputSpec("tensor")
_PIXELS = InputSpec("image", 32, 32)
_RESNET20 = _CIFAR / "models" / "resnet20_akamaster.th"
BENCHMARKS = (
    _file(
        "resnet8",
        "ResNet8 `.h5`",
        _CIFAR / "models" / "resnet8_mlperf_keras.h5",
        (_PIXELS, [32, 32, 3], _cifar, 90_384, 0.31, ("90,384 B", "×0.31 (loses 1.1 or more), ×0.32")),
    ),
    _file(
        "ds-cnn",
        "DS-CNN SavedModel",
        DATA / "kws" / "models" / "kws_ref_model",
        (_TENSOR, [49, 10, 1], _keywords, 46_000, 0.73, ("45,232 B (3 × slower)", "×0.73 (53,168 B)")),
    ),
    _file(
        "har",
        "HAR `.h5`",
        DATA / "har" / "models" / "har_st_keras.h5",
        (_TENSOR, [26, 3], _activities, 17_600, 0.72, ("17,504 B", "×0.72 (19,152 B)")),
    ),
    Benchmark(
        "resnet20",
        "ResNet20 `.th`",
        _RESNET20,
        {"source": "resnet_cifar:resnet20", "state": str(_RESNET20), "input_shape": [3, 32, 32]},
        *(_IMAGENET, [3, 32, 32], _cifar, 309_000, 0.36, ("308,576 B", "×0.36")),
    ),
    _file(
        "alibaba",
        "Alibaba `.onnx`",
        _CIFAR / "models" / "mobilenetlike_alibaba_ic.onnx",
        (_IMAGENET, [3, 32, 32], _cifar, 225_000, 0.60, ("225,248 B (4 × slower)", "×0.91 by hand")),
    ),
)
