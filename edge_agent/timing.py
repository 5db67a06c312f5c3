"""How long one inference takes, with its input in place: without pre- or post-processing, or handing tensors over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from edge_agent.pipeline import Pipeline
from firmware_profiles.evaluation import Latency

_WARM_UP_TURNS = 5
_RUNS_A_TURN = 4
_SETTLE_S = 1e-4


def interleaved(pipelines: Sequence[Pipeline], runs: int) -> list[Latency]:
    """The latency of each on a mid-scale input, in turns, so that what slows the machine slows all alike.

    Every second round goes backwards. A turn begins with inferences that are not timed, so that a model
    finds its own weights in the caches and not its neighbour's.
    """
    if runs == 0:
        return [Latency(0, 0.0, 0.0) for _ in pipelines]
    inferences = [
        pipeline.primed([np.full((1, *pipeline.preprocess.item_shape), 0.5, np.float32)]) for pipeline in pipelines
    ]
    times_s: list[list[float]] = [[] for _ in pipelines]
    order = list(range(len(pipelines)))
    for round_ in range(-_WARM_UP_TURNS, -(-runs // _RUNS_A_TURN)):
        for index in order if round_ % 2 else reversed(order):
            turn = _turn(inferences[index])
            if round_ >= 0:
                times_s[index] += turn
    return [_latency(each[:runs]) for each in times_s]


def _turn(inference: Callable[[], object]) -> list[float]:
    settled_s = time.perf_counter() + _SETTLE_S
    while True:
        inference()
        if time.perf_counter() >= settled_s:
            break
    times_s = []
    for _ in range(_RUNS_A_TURN):
        began_s = time.perf_counter()
        inference()
        times_s.append(time.perf_counter() - began_s)
    return times_s


def _latency(times_s: Sequence[float]) -> Latency:
    p50_ms, p95_ms = np.percentile(times_s, [50, 95]) * 1e3
    return Latency(len(times_s), round(float(p50_ms), 5), round(float(p95_ms), 5))
