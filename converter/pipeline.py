"""One conversion from end to end: load, export, evaluate, choose, prove, pack, report."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import numpy as np

from converter import build, choose, deliver, fitting, golden, plan, report, scoring
from converter.build import Built, Workshop
from converter.candidate import Row
from converter.deliver import Delivery
from converter.evaluate import Agent
from converter.exporting import Session
from converter.fitting import Fitted
from converter.plan import Plan, Target
from converter.processes import Processes
from converter.progress import Progress
from converter.project import Project
from converter.proof import Prover
from converter.protocol import Description
from converter.recipes import calibration_items, decline, reference
from converter.report import ProfileReport, Report
from firmware_profiles.errors import InputError, Problem

EVALUATION_SAMPLE = 192
"""Items of the evaluation data that are checked before the exports begin, and from which golden inputs
are picked where the project wants them from there; the rest is checked when it is evaluated."""


class Data(NamedTuple):
    """Checked data as .npz files (x, t0, y)."""

    calibration: Path
    evaluation_sample: Path


def convert(project: Project, planned: Plan, out: Path, jobs: int, progress: Progress) -> Report:
    """Carry out the plan; bundles and evidence go to `out`, which is made when the first is ready.

    Raises:
        InputError: the model or the data is not what it must be; nothing was written.
        GodwitError: the model could not be exported or evaluated at all.
    """
    with tempfile.TemporaryDirectory(prefix="godwit-convert-") as folder, Processes(Path(folder)) as processes:
        shop = Workshop(project, Agent(processes), progress, Path(folder), jobs)
        session = Session(processes, project.source, planned.source_format)
        progress(f"loading {project.source.name}")
        description = session.describe()
        fitted = fitting.fit(project, description)
        progress("checking the data")
        data = _checked_data(shop, fitted)
        pool = _golden_pool(project, data)
        built = _candidates(shop, session, planned, description, fitted, data)
        session.close()
        built = _with_costs(shop, planned, built)
        return _finish(shop, planned, Prover(shop, fitted.entry, pool), fitted, built, out)


def _checked_data(shop: Workshop, fitted: Fitted) -> Data:
    """Raises InputError with the problems of both data sets at once."""
    data = Data(shop.folder / "calibration.npz", shop.folder / "evaluation.npz")
    project, problems = shop.project, []
    for source, target, limit in (
        (project.calibration, data.calibration, calibration_items(math.prod(fitted.shape))),
        (project.evaluation, data.evaluation_sample, EVALUATION_SAMPLE),
    ):
        try:
            shop.agent.tensors(fitted.entry, source, target, limit)
        except InputError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise InputError(*problems)
    return data


def _candidates(
    shop: Workshop, session: Session, planned: Plan, description: Description, fitted: Fitted, data: Data
) -> list[Built]:
    yardstick = reference(planned.source_format, description.precision)
    recipes = plan.export_order(planned, yardstick)
    reasons = {recipe.name: decline(recipe, planned.source_format, description.precision) for recipe in recipes}
    declined = {str(name): reason for name, reason in reasons.items() if reason}
    return build.build(shop, session, fitted, recipes, declined, data.calibration)


def _with_costs(shop: Workshop, planned: Plan, built: Sequence[Built]) -> list[Built]:
    """Latency and memory of what meets the goal, one process at a time, after everything else has ended."""
    costed = []
    for each in built:
        drop = each.candidate.drop_points
        if drop is None or drop > shop.project.file.goal.max_drop_points:
            costed.append(each)
            continue
        shop.progress(f"measuring {each.candidate.recipe}")
        costed.append(build.with_cost(shop, each, _rows_to_measure(planned.targets, each)))
    return costed


def _rows_to_measure(targets: Sequence[Target], built: Built) -> list[Row]:
    """The runtime of the accuracy, and of a profile that is this machine the first that takes the format."""
    assert built.evaluated is not None
    rows = [built.evaluated.row]
    for target in targets:
        if target.measured_here:
            here = [row for row in choose.places(target.profile, built.candidate) if row in target.runtimes_here]
            rows += here[:1]
    return list(dict.fromkeys(rows))


def _finish(shop: Workshop, planned: Plan, prover: Prover, fitted: Fitted, built: Sequence[Built], out: Path) -> Report:
    assert built[0].evaluated is not None
    first = built[0].evaluated.evaluation
    project, made_at = shop.project, datetime.now(timezone.utc).replace(microsecond=0)
    yardstick = scoring.yardstick(project.file.model.task, labelled=first.value is not None)
    delivery = Delivery(out, fitted.entry, yardstick, first.items, first.machine, made_at)
    profiles = [_deliver(shop, prover, delivery, target, built) for target in planned.targets]
    model, goal = project.file.model, project.file.goal
    return Report(
        name=model.name,
        version=model.version,
        source=model.source,
        task=model.task,
        made_at=made_at,
        seconds=round(shop.progress.elapsed_s(), 1),
        goal_max_drop_points=goal.max_drop_points,
        goal_optimise=goal.optimise,
        yardstick=yardstick,
        labelled=first.value is not None,
        metric=first.metric,
        items=first.items,
        reference=built[0].candidate.recipe,
        candidates=[each.candidate for each in built],
        profiles=profiles,
        machine=first.machine,
        tools=report.versions(),
    )


def _deliver(
    shop: Workshop, prover: Prover, delivery: Delivery, target: Target, built: Sequence[Built]
) -> ProfileReport:
    profile, goal = target.profile, shop.project.file.goal
    shop.progress(f"proving and packing for {profile.name}")
    names = {recipe.name for recipe in target.recipes} | target.declined.keys()
    candidates = [each.candidate for each in built if each.candidate.recipe in names]
    verdicts = choose.choose(profile, candidates, goal.max_drop_points, goal.optimise, measured=target.measured_here)
    return deliver.deliver(shop, prover, delivery, profile, built, verdicts, measured_here=target.measured_here)


def _golden_pool(project: Project, data: Data) -> golden.Array:
    if project.file.golden.inputs == "evaluation":
        with np.load(data.evaluation_sample) as arrays:
            items: golden.Array = arrays["x"]
        if len(items) < project.file.golden.count:
            where, expected = f"{project.evaluation}", f"at least {project.file.golden.count} items for golden inputs"
            step = 'give more, or set inputs = "synthetic" in [golden]'
            raise InputError(Problem(where, expected, str(len(items)), step))
        return items
    with np.load(data.calibration) as arrays:
        return golden.synthetic(arrays["x"], image=project.file.input.kind == "image")
