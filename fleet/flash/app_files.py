"""What an Android app gets of a bundle: its members as they are, and beside them what an app can read without an .npz.

```
manifest.json, models/…, golden.npz     the bundle's members
app/MODEL/labels.txt                    one class a line, where the model has classes
app/MODEL/golden.json                   what the files beside it hold: dtype, shape, tolerance
app/MODEL/x.bin, t0.bin, y0.bin, …      raw inputs, input tensors, expected outputs: little-endian, rows first
files.sha256                            hash and name of all of them, as sha256sum prints them
```
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import GodwitError, Problem, UnavailableError, from_process
from firmware_profiles.manifest import Model

LIST = "files.sha256"


class Array(msgspec.Struct, frozen=True):
    """One file of golden vectors; `shape` begins with how many there are."""

    file: str
    dtype: str
    shape: list[int]


class Golden(msgspec.Struct, frozen=True):
    """`golden.json`.

    Attributes:
        tolerance: runtime/delegate → largest difference from the expected outputs, in their own unit.
        inputs: raw, as the app gets them, before any pre-processing.
        tensors: the same after the bundle's pre-processing, as float32: the model's input before quantization.
        outputs: expected, one for each output tensor of the model, after dequantization.
    """

    tolerance: dict[str, float]
    inputs: Array
    tensors: Array
    outputs: list[Array]


def write(bundle: Path, folder: Path) -> None:
    """Fill `folder`.

    Raises:
        GodwitError: the golden inputs cannot be made into tensors.
    """
    with Bundle(bundle) as opened:
        opened.extract(folder)
        models = opened.manifest.models
    for model in models:
        _write_model(model, folder, folder / "app" / model.name)
    (folder / LIST).write_text("".join(f"{sha256}  {name}\n" for name, sha256 in hashes(folder).items()))


def hashes(folder: Path) -> dict[str, str]:
    """Name → sha256 of every file but the list, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {path.relative_to(folder).as_posix(): sha256(path) for path in paths}
    named.pop(LIST, None)
    return named


def sha256(path: Path) -> str:
    """Of a file, hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write_model(model: Model, folder: Path, place: Path) -> None:
    place.mkdir(parents=True)
    if model.labels:
        (place / "labels.txt").write_text("".join(f"{label}\n" for label in model.labels), encoding="utf-8")
    if not model.golden:
        return
    try:
        import numpy as np  # late, and only for phones
    except ModuleNotFoundError:
        step = "pip install 'godwit[agent,fleet]'"
        raise UnavailableError(Problem("godwit flash adb://", "the package numpy", "none", step)) from None

    def written(name: str, array: np.typing.NDArray[np.generic]) -> Array:
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        (place / f"{name}.bin").write_bytes(little.tobytes())
        return Array(f"{name}.bin", array.dtype.name, list(array.shape))

    with tempfile.TemporaryDirectory(prefix="godwit-tensors-") as scratch:
        made = _tensors(model, folder / model.golden, Path(scratch))
        with np.load(made, allow_pickle=False) as arrays, np.load(folder / model.golden, allow_pickle=False) as golden:
            outputs = [written(f"y{index}", golden[f"y{index}"]) for index in range(len(model.outputs))]
            told = Golden(
                {f"{claim.runtime}/{claim.delegate}": claim.tolerance for claim in model.runtimes},
                written("x", arrays["x"]),
                written("t0", arrays["t0"]),
                outputs,
            )
    (place / "golden.json").write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n")


def _tensors(model: Model, golden: Path, scratch: Path) -> Path:
    """By the device's own pre-processing."""
    entry, out = scratch / "model.json", scratch / "tensors.npz"
    entry.write_bytes(msgspec.json.encode(model))
    line = [sys.executable, "-m", "edge_agent", "tensors", str(entry), "--data", str(golden), "--out", str(out)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return out
    if told := from_process(ended.returncode, ended.stderr):
        raise told
    last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
    raise GodwitError(Problem(f"golden inputs of {model.name}", "input tensors", last, "pip install 'godwit[agent]'"))
