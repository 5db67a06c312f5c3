"""`edge-agent evaluate`: accuracy, latency and memory of one bundle, on this machine."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from edge_agent import golden, timing
from edge_agent.arrays import write_npz
from edge_agent.deployment import Deployment, unpacked
from edge_agent.flow.dataset import open_dataset
from edge_agent.flow.labelled import Labelled, checked
from edge_agent.monitor import machine
from edge_agent.pipeline import Pipeline, model_of, open_pipeline
from edge_agent.runtimes.base import Array, Opening
from firmware_profiles.errors import BundleError, InputError, Problem, RefusedError, did_you_mean
from firmware_profiles.evaluation import Evaluation, Latency
from firmware_profiles.manifest import Model, RuntimeClaim
from firmware_profiles.words import Task

_PROGRESS_S = 2.0


def main(arguments: argparse.Namespace) -> int:
    """Print an `Evaluation`, as JSON or for people."""
    with unpacked(arguments.bundle) as deployment:
        model = model_of(deployment)
        labelled = checked(open_dataset(arguments.data), model) if arguments.data else None
        threads = arguments.threads or deployment.manifest.threads
        claim = claim_of(model, arguments.runtime, arguments.delegate)
        pipeline = open_pipeline(deployment, model, claim, Opening(threads))
        answers = _answer(pipeline, labelled, arguments)
        (latency,) = timing.interleaved([pipeline], arguments.runs)
        evaluation = _evaluation(deployment, pipeline, claim, threads, answers, latency)
    if arguments.outputs:
        write_npz(arguments.outputs, {f"y{i}": stacked for i, stacked in enumerate(answers.outputs)})
    if arguments.answers and answers.judged:
        targets = {} if answers.targets is None else {"targets": answers.targets}
        write_npz(arguments.answers, {"answers": np.stack(answers.judged), **targets})
    print(msgspec.json.encode(evaluation).decode() if arguments.json else _for_people(evaluation))
    return 0


def claim_of(model: Model, runtime: str | None, delegate: str | None) -> RuntimeClaim:
    """The manifest's claim for what was asked for; its first one by default.

    A runtime that the manifest does not claim may be evaluated all the same: that is how it earns a
    claim.
    """
    if runtime is None and delegate is None:
        if not model.runtimes:
            raise BundleError(Problem(f"model {model.name}", "a runtime", "none claimed", "name one with --runtime"))
        return model.runtimes[0]
    for claim in model.runtimes:
        if runtime in (None, claim.runtime) and delegate in (None, claim.delegate):
            return claim
    if runtime is None or delegate is None:
        claimed = [f"{claim.runtime}/{claim.delegate}" for claim in model.runtimes]
        step = did_you_mean(runtime or delegate or "", claimed)
        raise InputError(Problem("--runtime, --delegate", "both, where it is not claimed", "one of them", step))
    return RuntimeClaim(runtime, delegate, "0", float("inf"))  # type: ignore[arg-type]  # argparse checks the choices


Metric = Literal["top1", "mae", "none"]


class _Answers(NamedTuple):
    """What the model said.

    Attributes:
        judged: per item, what a metric compares with its label.
        outputs: the raw outputs [n, …] of each tensor, if they are to be written.
    """

    judged: list[Array]
    outputs: list[Array]
    targets: Array | None


def _answer(pipeline: Pipeline, labelled: Labelled | None, arguments: argparse.Namespace) -> _Answers:
    if labelled is None:
        return _Answers([], [], None)
    judged: list[Array] = []
    kept: list[list[Array]] = [[] for _ in pipeline.model.outputs]
    data = labelled.data
    told = time.monotonic()
    for index, raw in enumerate(data):
        try:
            tensor = pipeline.preprocess(raw)
            outputs = pipeline.run([tensor])
            judged.append(pipeline.postprocess.answer(outputs, tensor, raw.shape))
        except InputError as error:
            where = f"{data.path}: item {data.names[index]}"
            raise InputError(*(problem._replace(where=where) for problem in error.problems)) from None
        if arguments.outputs:
            for column, output in zip(kept, outputs, strict=True):
                column.append(output)
        if time.monotonic() - told > _PROGRESS_S:
            told = time.monotonic()
            print(f"{index + 1} of {len(data)}", file=sys.stderr)
    return _Answers(judged, [np.concatenate(column) for column in kept if column], labelled.targets)


def _evaluation(
    deployment: Deployment,
    pipeline: Pipeline,
    claim: RuntimeClaim,
    threads: int,
    answers: _Answers,
    latency: Latency,
) -> Evaluation:
    task = pipeline.model.task
    predicted = [int(each.argmax()) for each in answers.judged] if task == "classification" else []
    values = [each.tolist() for each in answers.judged] if task in ("regression", "anomaly") else []
    metric, value = score(task, answers, predicted)
    return Evaluation(
        bundle_sha256=deployment.sha256,
        model=pipeline.model.name,
        runtime=pipeline.in_use,
        threads=threads,
        items=len(answers.judged),
        metric=metric,
        value=value,
        predicted=predicted,
        values=values,
        latency=latency,
        load_ms=round(pipeline.load_ms, 2),
        peak_rss_bytes=machine.peak_rss_bytes(),
        golden_max_difference=_golden_difference(deployment, pipeline, claim),
        machine=machine.describe(),
        left_nodes=sorted(set(pipeline.nodes.left)),
    )


def _golden_difference(deployment: Deployment, pipeline: Pipeline, claim: RuntimeClaim) -> float | None:
    """How far from the golden answers; infinite differences are what `selftest` is there to refuse."""
    if not pipeline.model.golden:
        return None
    try:
        return golden.check(pipeline, deployment, claim.tolerance)
    except RefusedError:
        return golden.check(pipeline, deployment, float("inf"))


def score(task: Task, answers: _Answers, predicted: list[int]) -> tuple[Metric, float | None]:
    """Share of right classes, or mean absolute error; ("none", None) without labels and for any other task."""
    if answers.targets is None or task not in ("classification", "regression"):
        return "none", None
    if task == "classification":
        return "top1", float(np.mean(np.asarray(predicted) == answers.targets))
    return "mae", float(np.mean(np.abs(np.stack(answers.judged) - answers.targets)))


def _for_people(evaluation: Evaluation) -> str:
    runtime = evaluation.runtime
    nodes = "" if runtime.nodes is None else f", delegate took {runtime.delegated_nodes} of {runtime.nodes} nodes"
    lines = [
        f"model     {evaluation.model}",
        f"runtime   {runtime.runtime}/{runtime.delegate} {runtime.version}, {evaluation.threads} threads{nodes}",
    ]
    if evaluation.value is not None:
        lines.append(f"accuracy  {evaluation.metric} {evaluation.value:.4f} on {evaluation.items} items")
    elif evaluation.items:
        why = "have no labels, or are judged by godwit convert alone"
        lines.append(f"accuracy  unknown: the {evaluation.items} items {why}")
    latency = evaluation.latency
    if latency.runs:
        lines.append(f"latency   p50 {latency.p50_ms:.3f} ms, p95 {latency.p95_ms:.3f} ms ({latency.runs} runs)")
    lines.append(f"load      {evaluation.load_ms:.1f} ms; peak memory {evaluation.peak_rss_bytes / 1e6:.0f} MB")
    if evaluation.golden_max_difference is not None:
        lines.append(f"golden    largest difference {evaluation.golden_max_difference:g}")
    return "\n".join(lines)
