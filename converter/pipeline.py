"""One conversion from end to end: load, export, evaluate, choose, prove, pack, report."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from converter import (
    cautions,
    costs,
    deliver,
    golden,
    pareto,
    plan,
    rounds,
    selection,
    sources,
    tools,
    trained,
    wiring,
)
from converter.build import Built, Workshop
from converter.cache import Cache
from converter.cluster import client
from converter.deliver import Delivery
from converter.device.url import DeviceUrl
from converter.fitting import Fitted
from converter.plan import Plan, Target
from converter.processes import Processes
from converter.progress import Progress
from converter.project import Project
from converter.proof import Prover
from converter.recipes import calibration_items
from converter.report import ProfileReport, Report
from converter.training import overlap as data_overlap
from converter.training.data import training_items
from firmware_profiles.errors import InputError, Problem

EVALUATION_SAMPLE = 192
"""Items of the evaluation data that are checked before the exports begin, and from which golden inputs
are picked where the project wants them from there; the rest is checked when it is evaluated."""


class Data(NamedTuple):
    """Checked data as .npz files (x, t0, y)."""

    calibration: Path
    evaluation_sample: Path
    training: Path


def convert(
    project: Project,
    planned: Plan,
    out: Path,
    jobs: int,
    progress: Progress,
    results: Cache,
    measure_on: DeviceUrl | None,
    dask: str | None,
) -> Report:
    """Carry out the plan; bundles and evidence go to `out`, which is made when the first is ready.

    Raises:
        UnavailableError: the device to measure on or the cluster cannot be reached, or the device was lost.
        InputError: the model or the data is not what it must be; nothing was written.
        GodwitError: the model could not be exported or evaluated at all.
    """
    with (
        tempfile.TemporaryDirectory(prefix="godwit-convert-") as folder,
        Processes(Path(folder)) as processes,
        wiring.device(measure_on, processes, Path(folder), progress) as device,
        client.connected(dask) if dask else nullcontext() as cluster,
    ):
        if device:
            planned = plan.on_device(planned, device.host, device.machine)
        shop = wiring.workshop(project, processes, Path(folder), progress, results, device, cluster, jobs)
        # Load, check, export and measure each, evaluate the last, deliver each.
        progress.expect(1 + len(planned.sources) * (1 + 2 * len(planned.wanted)) + len(planned.targets))
        routes = wiring.open_routes(processes, progress, results, cluster)
        loaded = sources.load(project, planned.sources, routes, Path(folder), progress)
        progress("checking the data")
        data = _checked_data(shop, loaded[0].fitted, training=bool(planned.trained))
        sources.check_labels(project, data.evaluation_sample)
        if planned.trained:
            data_overlap.check(data.training, data.evaluation_sample, str(project.training))
        _warn_of_data(progress, data)
        pool = _golden_pool(project, data)
        judging, found = rounds.tried(shop, planned, loaded, data.calibration)
        planned, built, sensitivity = trained.tried(shop, found, loaded[0], data, routes, judging)
        sources.close(loaded)
        for text in cautions.of_labels(judging):
            progress.warn(text)
        built = costs.with_costs(shop, planned.targets, built)
        built = selection.confirmed(project.file.goal, planned.targets, judging, built)
        delivery = Delivery(out, judging, _now())
        report = _finish(shop, planned, Prover(shop, pool), delivery, built)
        return msgspec.structs.replace(report, sensitivity=sensitivity, could_gain=planned.gain)


def _checked_data(shop: Workshop, fitted: Fitted, *, training: bool) -> Data:
    """Raises InputError with the problems of both data sets at once."""
    data = Data(shop.folder / "calibration.npz", shop.folder / "evaluation.npz", shop.folder / "training.npz")
    project, problems = shop.project, []
    for source, target, limit in (
        (project.calibration, data.calibration, calibration_items(math.prod(fitted.shape))),
        (project.evaluation, data.evaluation_sample, EVALUATION_SAMPLE),
        *([(project.training, data.training, training_items(math.prod(fitted.shape)))] if training else []),
    ):
        assert source is not None
        try:
            shop.agent.tensors(fitted.entry, source, target, limit)
        except InputError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise InputError(*problems)
    return data


def _warn_of_data(progress: Progress, data: Data) -> None:
    with np.load(data.calibration) as calibration, np.load(data.evaluation_sample) as evaluation:
        told = [
            *cautions.of_ranges(calibration["t0"], evaluation["t0"]),
            *cautions.of_overlap(calibration["x"], evaluation["x"]),
        ]
    for text in told:
        progress.warn(text)


def _now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def _finish(shop: Workshop, planned: Plan, prover: Prover, delivery: Delivery, built: Sequence[Built]) -> Report:
    judging, project = delivery.judge, shop.project
    profiles = [_deliver(shop, prover, delivery, target, built) for target in planned.targets]
    model, goal = project.file.model, project.file.goal
    return Report(
        name=model.name,
        version=model.version,
        source=model.source,
        others={each.name: each.source for each in model.candidate},
        task=model.task,
        made_at=delivery.made_at,
        seconds=round(shop.progress.elapsed_s(), 1),
        goal_max_drop_points=goal.max_drop_points,
        goal_optimise=goal.optimise,
        yardstick=judging.yardstick(),
        labelled=judging.labelled,
        metric=judging.metric.name if judging.labelled else "none",
        items=len(judging.reference.targets),
        split=judging.split is not None,
        warnings=shop.progress.warnings,
        reference=built[0].candidate.key,
        candidates=[each.candidate for each in built],
        front=pareto.front([each.candidate for each in built]),
        profiles=profiles,
        machines=shop.machines(),
        tools=tools.versions(),
    )


def _deliver(
    shop: Workshop, prover: Prover, delivery: Delivery, target: Target, built: Sequence[Built]
) -> ProfileReport:
    profile = target.profile
    shop.progress(f"proving and packing for {profile.name}")
    verdicts = selection.verdicts(shop.project.file.goal, target, built)
    return deliver.deliver(shop, prover, delivery, profile, built, verdicts, target.measured_on)


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
