"""What an inference over HTTP costs, as a multiple of the model alone in the bare runtime, measured in turn with it."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import numpy as np

from bench import http_load
from bench.flight import PYTHON
from bench.http_load import Load

BARE = Path(__file__).parent / "bare.py"
_ALONE = 2000
_TOGETHER = 8000


class Round(NamedTuple):
    """One turn.

    Attributes:
        raw_us: set_tensor + invoke + get_tensor, median.
        binary, json: one client; four: four with binary tensors.
    """

    raw_us: float
    binary: Load
    json: Load
    four: Load


def measure(port: int, model: str, processes: Mapping[str, int], file: Path, tensors: Path, turns: int) -> list[Round]:
    """Ask the server on `port`, whose processes are given by name and id.

    Args:
        model: its name there.
        file, tensors: the same model's file, and inputs `t0` [n, …] for it.
    """
    with urlopen(f"http://127.0.0.1:{port}/v2/models/{model}", timeout=10) as answer:
        about = json.load(answer)
    with np.load(tensors) as arrays:
        tensor = arrays["t0"][:1]
    packed, text = http_load.binary(model, about, tensor), http_load.as_json(model, about, tensor)
    http_load.run(port, packed, 1, 200, processes)  # warm, on both sides
    return [
        Round(
            _raw_us(file, tensors),
            http_load.run(port, packed, 1, _ALONE, processes),
            http_load.run(port, text, 1, _ALONE, processes),
            http_load.run(port, packed, 4, _TOGETHER, processes),
        )
        for _ in range(turns)
    ]


def report(rounds: Sequence[Round]) -> list[str]:
    """A table of medians over the turns; multiples are of the raw figure in the same turn."""
    raw_us = statistics.median(turn.raw_us for turn in rounds)
    failed = sum(load.failed for turn in rounds for load in (turn.binary, turn.json, turn.four))
    lines = [
        f"The model alone: {raw_us:.0f} µs. Supervisor and worker are two processes; the client is a third. "
        f"Failed requests: {failed}.",
        "",
        "| | p50, µs | × the model alone | p95, µs | answers/s | CPU an answer, µs |",
        "|---|---|---|---|---|---|",
    ]
    for title, pick in (
        ("Open Inference Protocol, binary, one client", [turn.binary for turn in rounds]),
        ("the same in JSON", [turn.json for turn in rounds]),
        ("binary, four clients", [turn.four for turn in rounds]),
    ):
        multiple = statistics.median(load.p50_us / turn.raw_us for load, turn in zip(pick, rounds, strict=True))
        p50_us, p95_us, per_s = np.median([(load.p50_us, load.p95_us, load.per_s) for load in pick], axis=0)
        cpu = ", ".join(
            f"{name} {statistics.median(load.cpu_us[name] for load in pick):.0f}" for name in pick[0].cpu_us
        )
        lines.append(f"| {title} | {p50_us:.0f} | {multiple:.2f} | {p95_us:.0f} | {per_s:.0f} | {cpu} |")
    return lines


def _raw_us(file: Path, tensors: Path) -> float:
    done = subprocess.run([PYTHON, BARE, file, tensors], check=True, capture_output=True)
    return float(json.loads(done.stdout)["invoke_us"])
