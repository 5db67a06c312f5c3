"""`edge-agent predict`: answers for some inputs, offline, without a broker or a device root."""

from __future__ import annotations

import argparse
import time

import msgspec

from edge_agent.deployment import unpacked
from edge_agent.flow.dataset import open_dataset
from edge_agent.pipeline import choose, model_of
from firmware_profiles import summary
from firmware_profiles.errors import InputError
from firmware_profiles.results import Result


class Answer(msgspec.Struct, frozen=True):
    """One line of `predict --json`."""

    input: str
    latency_ms: float
    result: Result


def main(arguments: argparse.Namespace) -> int:
    """Print one line an input; all inputs are opened before the model is."""
    inputs = [open_dataset(path) for path in arguments.inputs]
    with unpacked(arguments.bundle) as deployment:
        pipeline = choose(deployment, model_of(deployment)).pipeline
        for data in inputs:
            for index, name in enumerate(data.names):
                label = str(data.path) if len(data) == 1 else f"{data.path}[{name}]"
                started = time.perf_counter()
                try:
                    result = pipeline.predict(data[index])
                except InputError as error:
                    raise InputError(*(problem._replace(where=label) for problem in error.problems)) from None
                answer = Answer(label, round((time.perf_counter() - started) * 1e3, 3), result)
                print(msgspec.json.encode(answer).decode() if arguments.json else _for_people(answer))
    return 0


def _for_people(answer: Answer) -> str:
    return f"{answer.input}: {summary.one_line(answer.result)}  ({answer.latency_ms:.2f} ms)"
