"""How long one inference takes: tensor in, tensor out, without pre- or post-processing."""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from edge_agent.pipeline import Pipeline
from firmware_profiles.evaluation import Latency

_WARM_UP_RUNS = 10


def interleaved(pipelines: Sequence[Pipeline], runs: int) -> list[Latency]:
    """The latency of each on a mid-scale input, all in turn, so that what slows the machine slows all alike.

    Every second round goes backwards: whoever runs after another finds its caches filled by it.
    """
    if runs == 0:
        return [Latency(0, 0.0, 0.0) for _ in pipelines]
    tensors = [np.full((1, *pipeline.preprocess.item_shape), 0.5, np.float32) for pipeline in pipelines]
    times_ms: list[list[float]] = [[] for _ in pipelines]
    order = list(range(len(pipelines)))
    for round_ in range(-_WARM_UP_RUNS, runs):
        for index in order if round_ % 2 else reversed(order):
            started = time.perf_counter()
            pipelines[index].run([tensors[index]])
            if round_ >= 0:
                times_ms[index].append((time.perf_counter() - started) * 1e3)
    return [_latency(each) for each in times_ms]


def _latency(times_ms: Sequence[float]) -> Latency:
    p50_ms, p95_ms = np.percentile(times_ms, [50, 95])
    return Latency(len(times_ms), round(float(p50_ms), 4), round(float(p95_ms), 4))
