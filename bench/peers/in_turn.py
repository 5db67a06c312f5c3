"""Latency of model files in one process, in turn: `python -m bench.peers.in_turn SHAPE RUNS FILE…` prints JSON.

SHAPE is that of one item, as in 3,32,32. Answers {file: p50 in µs}. One process and one thread, so that
what slows the machine slows all alike.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from bench.peers.runtimes import opened

_WARM_UP_ROUNDS = 20


def main() -> None:
    """Every second round goes backwards: whoever runs after another finds its caches filled by it."""
    shape, runs, *files = sys.argv[1:]
    tensor = np.full([1, *map(int, shape.split(","))], 0.5, np.float32)
    runtimes = [opened(Path(file)) for file in files]
    times_s: list[list[float]] = [[] for _ in files]
    for round_ in range(-_WARM_UP_ROUNDS, int(runs)):
        for place in range(len(files))[:: 1 if round_ % 2 else -1]:
            began_s = time.perf_counter()
            runtimes[place].run([tensor])
            if round_ >= 0:
                times_s[place].append(time.perf_counter() - began_s)
    print(json.dumps({file: statistics.median(each) * 1e6 for file, each in zip(files, times_s, strict=True)}))


if __name__ == "__main__":
    main()
