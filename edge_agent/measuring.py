"""`python -m edge_agent.measuring FOLDER MODEL RUNTIME DELEGATE RUNS`: one runtime's figures, in this process.

Started by `edge-agent bench`. Prints `Figures` as JSON; an error is told as by any command.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec

from edge_agent import golden, timing
from edge_agent.commands.evaluate import claim_of
from edge_agent.deployment import read_slot
from edge_agent.monitor import machine
from edge_agent.pipeline import Pipeline, open_pipeline
from edge_agent.runtimes.base import Array, Opening
from firmware_profiles.errors import guarded
from firmware_profiles.evaluation import Latency
from firmware_profiles.wire import RuntimeInUse


class Figures(msgspec.Struct, frozen=True):
    """What one runtime costs here.

    Attributes:
        latency: of the inference alone.
        answers_per_s: one golden input after the other, with pre- and post-processing.
        load_ms: from the model file to a runtime that is ready.
        peak_rss_bytes: of a process that does only this.
        golden_max_difference: from the golden answers, which are given within what is allowed.
    """

    runtime: RuntimeInUse
    latency: Latency
    answers_per_s: float
    load_ms: float
    peak_rss_bytes: int
    golden_max_difference: float


def main() -> int:
    """Measure what the command line names, and print it."""
    folder, name, runtime, delegate, runs = sys.argv[1:]
    deployment = read_slot(Path(folder))
    model = next(model for model in deployment.manifest.models if model.name == name)
    claim = claim_of(model, runtime, delegate)
    pipeline = open_pipeline(deployment, model, claim, Opening(deployment.manifest.threads))
    difference = golden.check(pipeline, deployment, claim.tolerance)
    (latency,) = timing.interleaved([pipeline], int(runs))
    figures = Figures(
        runtime=pipeline.in_use,
        latency=latency,
        answers_per_s=round(_answers_per_s(pipeline, golden.load(deployment, model).inputs, int(runs)), 1),
        load_ms=round(pipeline.load_ms, 2),
        peak_rss_bytes=machine.peak_rss_bytes(),
        golden_max_difference=difference,
    )
    print(msgspec.json.encode(figures).decode())
    return 0


def _answers_per_s(pipeline: Pipeline, inputs: Array, runs: int) -> float:
    began_s = time.perf_counter()
    for run in range(runs):
        pipeline.predict(inputs[run % len(inputs)])
    return runs / (time.perf_counter() - began_s)


if __name__ == "__main__":
    sys.exit(guarded(main))
