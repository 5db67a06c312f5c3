"""The metric that `[goal]` names, or the task's own."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from converter import metrics, own_metric
from converter.judge import Judge
from converter.metrics import Metric
from converter.processes import Processes
from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.words import Task

_OWN = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*\Z")
_WITHOUT_LABELS = ("top1", "top5", "f1", "map", "miou")
"""Where there are no labels, float's own classes or objects take their place."""


def problems(name: str, task: Task, where: str) -> Iterator[Problem]:
    """What is wrong with the name of a metric."""
    if not name or _OWN.match(name):
        return
    suiting = [each.name for each in metrics.METRICS if task in each.tasks]
    expected = f'a metric of the task {task}: {", ".join([*suiting, "or"])} your own "module:function"'
    if name in metrics.BY_NAME and name not in suiting:
        yield Problem(where, expected, repr(name), "choose one of them, or correct model.task")
    elif name not in metrics.BY_NAME:
        yield Problem(where, expected, repr(name), did_you_mean(name, suiting))


def of(name: str, beside: Path, processes: Processes, folder: Path) -> Metric | None:
    """The metric of that name; None for the task's own. Arguments as in `own_metric.metric`."""
    if not name:
        return None
    return metrics.BY_NAME.get(name) or own_metric.metric(name, beside, processes, folder)


def check(name: str, judging: Judge, where: str) -> None:
    """Raises InputError where the metric can say nothing about this data."""
    step = "choose another metric in [goal]"
    classes_will_do = name in _WITHOUT_LABELS
    if name and not judging.labelled and not classes_will_do:
        raise InputError(Problem(where, f"labels, for the metric {name}", "none", f"give y, or {step}"))
    if name == "auc" and judging.reference.outputs.shape[1] > 2:
        found = f"{judging.reference.outputs.shape[1]} classes"
        raise InputError(Problem(where, "two classes, for the metric auc", found, step))
    if math.isfinite(judging.metric.value(judging.reference)):
        return
    if judging.metric.name == "map":
        raise InputError(
            Problem(where, "at least one object, for the metric map", "none", "give images that show some")
        )
    raise InputError(
        Problem(where, f"labels that differ, for the metric {judging.metric.name}", "one value alone", step)
    )
