"""Candidates: every recipe exported once, packed as a draft bundle, and evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter import contents, delegation, goal_metric, gpu, judge, pack, transfer
from converter.cache import Cache
from converter.candidate import READERS, Candidate, Model, Row
from converter.evaluate import Agent
from converter.judge import Judge
from converter.metrics import Metric
from converter.processes import Processes
from converter.progress import Progress
from converter.project import Project
from converter.protocol import Export, Exported
from converter.recipes import Recipe
from converter.sources import Loaded
from firmware_profiles import manifest
from firmware_profiles.errors import GodwitError, Problem, UnavailableError
from firmware_profiles.evaluation import Evaluation, Machine
from firmware_profiles.profile import Profile


class Workshop(NamedTuple):
    """What every step of one conversion works with.

    Attributes:
        tflite: the evaluator in the environment of tflite-runtime, which can share none with the others.
        device: the evaluator on the device that --measure-on names; None without.
        processes: that it starts.
        results: of earlier conversions.
        folder: temporary; gone when the conversion ends.
        metric: that the goal names; None for the task's own.
        accuracy: the evaluator of accuracy; on a cluster if there is one.
        jobs: how many candidates are tried at once; never while latency is measured.
    """

    project: Project
    agent: Agent
    accuracy: Agent
    tflite: Agent
    device: Agent | None
    progress: Progress
    processes: Processes
    results: Cache
    folder: Path
    metric: Metric | None
    jobs: int

    def agent_for(self, row: Row, machine: str) -> Agent:
        """Where a runtime is tried for a profile whose figures come from `machine`; here if from none."""
        if self.device and self.device.host == machine:
            return self.device
        return self.tflite if row.runtime == "tflite" else self.agent

    def machines(self) -> dict[str, Machine]:
        """What measures: this machine, and the device if there is one."""
        return {agent.host: agent.machine for agent in (self.agent, self.device) if agent}


class Trial(NamedTuple):
    """One recipe for one source.

    Attributes:
        declined: why it is not tried; empty where it is.
    """

    loaded: Loaded
    recipe: Recipe
    declined: str = ""

    @property
    def key(self) -> str:
        """Of the candidate that comes of it."""
        return self.loaded.source.key(self.recipe)


class Draft(NamedTuple):
    """An exported candidate as a bundle that can be measured.

    Attributes:
        base: the manifest's entry for its source, before any recipe.
    """

    base: manifest.Model
    model: Model
    bundle: Path


class Evaluated(NamedTuple):
    """An evaluation, and the runtime that it was made on.

    Attributes:
        answers: to every item, as `edge-agent evaluate --answers` wrote them.
    """

    row: Row
    evaluation: Evaluation
    answers: Path


class Built(NamedTuple):
    """A candidate, its draft if it was exported, and its evaluation if that went well."""

    candidate: Candidate
    draft: Draft | None = None
    evaluated: Evaluated | None = None


class _Tried(NamedTuple):
    """A candidate and its draft; without one there is no evaluation, and an evaluation may fail."""

    candidate: Candidate
    draft: Draft | None
    evaluated: Evaluated | GodwitError | None


class Judged(NamedTuple):
    """All candidates, the yardstick first, and the judge of them."""

    judge: Judge
    built: list[Built]


def build(shop: Workshop, trials: Sequence[Trial], calibration: Path) -> Judged:
    """Export and evaluate; the first is the yardstick.

    Raises:
        InputError: the evaluation data does not fit the model.
        GodwitError: the yardstick itself could not be exported or evaluated.
    """
    executor = ThreadPoolExecutor(shop.jobs)
    try:
        futures = [executor.submit(_tried, shop, trial, calibration) for trial in trials]
        judging = _judge(shop, _reference(futures[0].result()))
        return Judged(judging, [_scored(judging, future.result()) for future in futures])
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def attempt(shop: Workshop, judging: Judge, trial: Trial, calibration: Path) -> Built:
    """Export and evaluate one candidate more."""
    return _scored(judging, _tried(shop, trial, calibration))


def _tried(shop: Workshop, trial: Trial, calibration: Path) -> _Tried:
    shop.progress(f"trying {trial.key}")
    candidate, draft = _export(shop, trial, calibration)
    try:
        return _Tried(candidate, draft, _evaluate(shop, trial.recipe, draft) if draft else None)
    except GodwitError as error:
        return _Tried(candidate, draft, error)


def _export(shop: Workshop, trial: Trial, calibration: Path) -> tuple[Candidate, Draft | None]:
    recipe, loaded = trial.recipe, trial.loaded
    candidate = Candidate(
        key=trial.key,
        model=loaded.source.name,
        recipe=recipe.name,
        made_by=recipe,
        title=recipe.title,
        format=recipe.format,
        precision=recipe.precision,
        activations=recipe.symmetry,
        outcome="declined",
        reason=trial.declined,
    )
    if trial.declined:
        return candidate, None
    target = loaded.folder / recipe.file
    reply = loaded.routes.export(Export(recipe, loaded.fitted.shape, str(calibration), str(target)))
    if not isinstance(reply, Exported):
        outcome = type(reply).__name__.lower()
        return msgspec.structs.replace(candidate, outcome=outcome, reason=reply.reason), None
    content = target.read_bytes()
    candidate = msgspec.structs.replace(
        candidate,
        outcome="measured",
        size_bytes=len(content),
        transfer_bytes=transfer.size_bytes(content),
        multiply_adds=reply.multiply_adds,
        layers=reply.layers,
        said=reply.said,
        not_on_gpu=gpu.not_taken(target) if _wants_gpu(shop.project.profiles, recipe) else [],
    )
    model = Model(target, reply.inputs, reply.outputs)
    draft = target.with_suffix(".draft.godwit")
    entry = pack.entry(loaded.fitted.entry, candidate, model, [], "")
    pack.write(draft, shop.project, shop.project.profiles[0], entry, {entry.file: content})
    return candidate, Draft(loaded.fitted.entry, model, draft)


def _wants_gpu(profiles: Sequence[Profile], recipe: Recipe) -> bool:
    rows = (row for profile in profiles for row in profile.runtimes)
    return recipe.format == "tflite" and any((row.runtime, row.delegate) == delegation.GPU for row in rows)


def _evaluate(shop: Workshop, recipe: Recipe, draft: Draft) -> Evaluated:
    """On the first of the format's readers that can load it."""
    *others, last = READERS[recipe.format]
    for row in others:
        try:
            return _evaluate_on(shop, draft, row)
        except UnavailableError:
            continue
    return _evaluate_on(shop, draft, last)


def _evaluate_on(shop: Workshop, draft: Draft, row: Row) -> Evaluated:
    answers = draft.bundle.with_suffix(".answers.npz")
    return Evaluated(
        row, shop.accuracy.evaluate(draft.bundle, row, data=shop.project.evaluation, answers=answers), answers
    )


def _judge(shop: Workshop, reference: Evaluated) -> Judge:
    """Raises InputError where the goal's metric can say nothing about the evaluation data."""
    project, model = shop.project, shop.project.file.model
    seed = int(contents.sha256(project.evaluation)[:16], 16)
    judging = judge.judge(model.task, shop.metric, model.labels, seed, reference.answers, reference.evaluation)
    goal_metric.check(project.file.goal.metric, judging, str(project.evaluation))
    return judging


def _reference(tried: _Tried) -> Evaluated:
    if tried.evaluated is None:
        step = "see the message, or bring the model in another format"
        expected = "the model as it came, to compare with"
        raise GodwitError(Problem(tried.candidate.key, expected, tried.candidate.reason, step))
    if isinstance(tried.evaluated, GodwitError):
        raise tried.evaluated
    return tried.evaluated


def _scored(judging: Judge, tried: _Tried) -> Built:
    candidate, draft, evaluated = tried
    if evaluated is None:
        return Built(candidate)
    try:
        if isinstance(evaluated, GodwitError):
            raise evaluated
        chosen_on = judging.chosen_on(evaluated.answers, evaluated.evaluation)
    except GodwitError as error:
        reason = "; ".join(problem.found for problem in error.problems)
        return Built(msgspec.structs.replace(candidate, outcome="failed", reason=reason))
    scored = msgspec.structs.replace(
        candidate,
        chosen_on=chosen_on,
        ran_on=evaluated.evaluation.runtime,
        left_nodes=evaluated.evaluation.left_nodes,
    )
    return Built(scored, draft, evaluated)


def confirmed(judging: Judge, built: Built) -> Built:
    """The candidate with what the items say about it that took no part in the choice, if there are any."""
    assert built.evaluated is not None
    confirmed_on = judging.confirmed_on(built.evaluated.answers, built.evaluated.evaluation)
    return built._replace(candidate=msgspec.structs.replace(built.candidate, confirmed_on=confirmed_on))
