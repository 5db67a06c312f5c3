"""What the converter makes of real models, beside what its peers make of them, in one run.

All peers first, two at once; then one model after the other, with nothing beside it: our search, the same
search again, the accuracy of every file, and the latency of all of them in turn.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from bench import ours
from bench.models import ROOT, Benchmark
from bench.ours import Search
from bench.peers.attempts import failures
from bench.peers.make import peers
from bench.say import say

RUNS = 300
_LIMIT_S = 300.0


class Made(NamedTuple):
    """A model file, measured.

    Attributes:
        name: of the tool and its recipe.
        ratio: of its p50 to that of the float file of the same format.
    """

    name: str
    format: str
    size_bytes: int
    accuracy_percent: float
    p50_us: float
    ratio: float


class Row(NamedTuple):
    """All about one model.

    Attributes:
        floats, peers: what other tools made.
        winner: ours; None where nothing met the goal.
        failed: file → why there is none, or what became of it when it ran.
    """

    benchmark: Benchmark
    search: Search
    winner: Made | None
    floats: list[Made]
    peers: list[Made]
    failed: dict[str, str]


def measure(benchmarks: Sequence[Benchmark], folder: Path) -> list[Row]:
    """Rows of those whose files are there; the others are told and left out."""
    present = [each for each in benchmarks if each.source.exists()]
    for missing in (each for each in benchmarks if each not in present):
        say(f"LEFT OUT: {missing.title}: {missing.source} is not there")
    ours.empty_cache(folder / "cache")
    for benchmark in present:
        (folder / benchmark.name).mkdir()
        benchmark.write(folder / benchmark.name)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: peers(each, folder / each.name), present))
    return [_row(each, folder / each.name, folder / "cache") for each in present]


def _row(benchmark: Benchmark, folder: Path, cache_home: Path) -> Row:
    search = ours.search(folder / "godwit.toml", cache_home, benchmark.title)
    failed = failures(folder)
    say(f"{benchmark.title}: accuracy and latency")
    files = sorted([*folder.glob("float.*"), *folder.glob("* *.tflite"), *folder.glob("* *.onnx")])
    accuracy_percent = {}
    for file in files:
        done = _child("answers", file, folder / "evaluation.npz")
        if done.returncode == 0:
            accuracy_percent[file] = float(done.stdout)
        else:
            failed[file.name] = _last_words(done)
    p50_us = _latencies(benchmark, list(accuracy_percent), failed)
    made = {file: _made(file, accuracy_percent[file], p50_us) for file in p50_us}
    return Row(
        benchmark,
        search,
        made.get(search.file) if search.file else None,
        [each for file, each in made.items() if file.stem == "float"],
        [each for file, each in made.items() if file.stem != "float" and file != search.file],
        failed,
    )


def _latencies(benchmark: Benchmark, files: Sequence[Path], failed: dict[str, str]) -> dict[Path, float]:
    """File → p50 in µs; what went wrong goes to `failed`."""
    done = _child("in_turn", ",".join(map(str, benchmark.shape)), RUNS, *files)
    if done.returncode != 0:
        failed["all of them, in turn"] = _last_words(done)
        return {}
    found: dict[str, float] = json.loads(done.stdout)
    return {Path(file): p50_us for file, p50_us in found.items()}


def _made(file: Path, accuracy_percent: float, p50_us: dict[Path, float]) -> Made:
    float_us = p50_us.get(file.with_name(f"float{file.suffix}"), float("nan"))
    size_bytes, model_format = file.stat().st_size, file.suffix.removeprefix(".")
    return Made(file.stem, model_format, size_bytes, accuracy_percent, p50_us[file], p50_us[file] / float_us)


def _child(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", f"bench.peers.{module}", *map(str, arguments)]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=_LIMIT_S, check=False)


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    last = (done.stderr.strip().splitlines() or ["no word"])[-1]
    return f"died of signal {-done.returncode}" if done.returncode < 0 else last[:120]
