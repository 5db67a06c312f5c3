"""Writes `bench/results.md`. Run it on a machine that does nothing else.

`python -m bench --only resnet8` measures one part alone ("agent", "serial", or a model of the converter) and prints it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import converter, converter_report, flow_report, handover, serial, updates
from bench.flight import PYTHON, edge_agent, fly, glue
from bench.models import BENCHMARKS, Benchmark
from bench.report import report
from bench.say import say
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


def agent() -> list[str]:
    """Measure everything of the agent in turn."""
    with tempfile.TemporaryDirectory() as name:
        say("agent: a bundle")
        bundle, model, raw, tensors = prepare(Path(name))
        bares, agents, glues = [], [], []
        for repeat in range(REPEATS):  # in turn, so that a slow minute of the machine hits all of them
            say(f"agent: run {repeat + 1} of {REPEATS}")
            bares.append(bare(model, tensors))
            agents.append(fly(bundle, raw, ITEMS))
            glues.append(glue(model, tensors, ITEMS))
        pss = memory_mb(bundle, model)
    return report(ITEMS, bares, agents, glues, pss)


def switches() -> list[str]:
    """Measure how one deployment takes over from another: a part of bench/updates.md."""
    with tempfile.TemporaryDirectory() as name:
        bundle, _, raw, _ = prepare(Path(name))
        return handover.report(handover.measure(bundle, raw))


def conversions(benchmarks: Sequence[Benchmark]) -> list[str]:
    """Measure the converter on these models."""
    with tempfile.TemporaryDirectory(prefix="godwit-bench-") as name:
        return converter_report.report(converter.measure(benchmarks, Path(name)))


def main() -> None:
    """Measure everything, then write the page; or one part, and print it."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    names = ["agent", "flow", "handover", "serial", "updates", *(benchmark.name for benchmark in BENCHMARKS)]
    parser.add_argument("--only", choices=names, help="measure this alone and print it, as in: --only resnet8")
    only = parser.parse_args().only
    chosen = [benchmark for benchmark in BENCHMARKS if only in (None, benchmark.name)]
    lines = ["# What was measured", ""]
    lines += agent() if only in (None, "agent") else []
    lines += flow_report.report() if only in (None, "flow") else []
    lines += switches() if only == "handover" else []
    lines += updates.run() if only == "updates" else []
    lines += serial.report() if only in (None, "serial") else []
    lines += conversions(chosen) if chosen else []
    page = "\n".join(lines)
    if only is None:
        (HERE / "results.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
