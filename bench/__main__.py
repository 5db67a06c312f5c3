"""Writes `bench/results.md`. Run it on a machine that does nothing else."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench.flight import PYTHON, edge_agent, fly, glue
from bench.report import report
from firmware_profiles.bundle import Bundle
from firmware_profiles.profile import userland_arch
from tools import demo

HERE = Path(__file__).parent
REPEATS = 5
ITEMS = 4000
MB = 1e6


def prepare(folder: Path) -> tuple[Path, Path, Path, Path]:
    """The digits bundle for this machine: bundle, model file, raw data and tensors of ITEMS inputs."""
    demo.train(folder)
    project, here = demo.PROJECT, f"linux-{userland_arch()}"
    command: list[str | Path] = [
        demo.BIN / "godwit",
        "convert",
        project,
        "--target",
        here,
        "--recipe",
        "tflite-int8",
        "--out",
        folder,
    ]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (path,) = folder.glob("*.godwit")
    with Bundle(path) as bundle:
        model = bundle.manifest.models[0]
        file = folder / "model.tflite"
        file.write_bytes(bundle.read(model.file))
        (folder / "model.json").write_bytes(msgspec.json.encode(model))
    digits = np.load(demo.DIGITS / "evaluation.npz")["x"]
    raw, tensors = folder / "raw.npz", folder / "tensors.npz"
    np.savez(raw, x=np.resize(digits, (ITEMS, *digits.shape[1:])))
    convert: list[str | Path] = [
        PYTHON,
        "-m",
        "edge_agent",
        "tensors",
        folder / "model.json",
        "--data",
        raw,
        "--out",
        tensors,
    ]
    subprocess.run(convert, check=True, stdout=subprocess.DEVNULL)
    return path, file, raw, tensors


def bare(model: Path, tensors: Path) -> dict[str, Any]:
    """One run of the model alone."""
    started_s = time.time()
    done = subprocess.run([PYTHON, HERE / "bare.py", model, tensors], check=True, capture_output=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"start_ms": (found["first_s"] - started_s) * 1e3}


def memory_mb(bundle: Path, model: Path) -> dict[str, float]:
    """PSS by process; see memory.sh."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "device"
        edge_agent("install", bundle, "--root", root)
        done = subprocess.run(
            ["/bin/sh", HERE / "memory.sh", PYTHON, root, model], check=True, capture_output=True, text=True
        )
    pairs = (line.split() for line in done.stdout.splitlines())
    return {name: int(kilobytes) * 1024 / MB for name, kilobytes in pairs}


def main() -> None:
    """Measure everything in turn, then write the table."""
    with tempfile.TemporaryDirectory() as name:
        bundle, model, raw, tensors = prepare(Path(name))
        bares, agents, glues = [], [], []
        for _ in range(REPEATS):  # in turn, so that a slow minute of the machine hits all of them
            bares.append(bare(model, tensors))
            agents.append(fly(bundle, raw, ITEMS))
            glues.append(glue(model, tensors, ITEMS))
        pss = memory_mb(bundle, model)
    (HERE / "results.md").write_text(report(ITEMS, bares, agents, glues, pss), encoding="utf-8")
    print((HERE / "results.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
