"""`edge-agent compare`: the latency of two bundles in turn, on this machine."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from pathlib import Path

import msgspec

from edge_agent import timing
from edge_agent.commands.evaluate import claim_of
from edge_agent.deployment import unpacked
from edge_agent.monitor import machine
from edge_agent.pipeline import Pipeline, model_of, open_pipeline
from edge_agent.runtimes.base import Opening
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.evaluation import SideBySide


def main(arguments: argparse.Namespace) -> int:
    """Print a `SideBySide`, as JSON or for people."""
    with ExitStack() as stack:
        places = arguments.on or (None, None)
        first = _open(stack, arguments.first, places[0], arguments.threads)
        second = _open(stack, arguments.second, places[1], arguments.threads)
        latencies = timing.interleaved([first, second], arguments.runs)
    compared = SideBySide(latencies[0], latencies[1], machine.describe())
    print(msgspec.json.encode(compared).decode() if arguments.json else _for_people(arguments, compared))
    return 0


def _open(stack: ExitStack, bundle: Path, place: str | None, threads: int | None) -> Pipeline:
    deployment = stack.enter_context(unpacked(bundle))
    model = model_of(deployment)
    runtime, slash, delegate = (place or "/").partition("/")
    if place is not None and not (runtime and slash and delegate):
        raise InputError(Problem("--on", "RUNTIME/DELEGATE for each bundle", place, "name them: litert/xnnpack"))
    claim = claim_of(model, runtime or None, delegate or None)
    return open_pipeline(deployment, model, claim, Opening(threads or deployment.manifest.threads))


def _for_people(arguments: argparse.Namespace, compared: SideBySide) -> str:
    lines = [
        f"{bundle.name}: p50 {latency.p50_ms:.3f} ms, p95 {latency.p95_ms:.3f} ms"
        for bundle, latency in ((arguments.first, compared.first), (arguments.second, compared.second))
    ]
    ratio = compared.second.p50_ms / compared.first.p50_ms
    return "\n".join([*lines, f"the second takes ×{ratio:.3f} of the first ({compared.first.runs} runs in turn)"])
