"""One recipe that trains, whatever framework computes it: which trainings, by which rules, and what came of it."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from converter.passes import cluster, prune
from converter.passes.finetune import Watch, gone_through
from converter.training import data
from converter.training.checkpoint import Point
from converter.training.data import Array, Items, Split
from converter.training.protocol import Phase, Train, Trained
from converter.training.settings import Settings
from converter.training.stepping import Kernel, Rule, Run
from converter.training.steps import Steps, parse

_QAT_EPOCHS, _QAT_RATE = 0.2, 0.1
"""Of the settings: the model is where it should be, and only learns to be rounded."""

_QAT_BATCH = 64
"""At least: a range follows the largest values of batches, and those of a small one cut off too much."""

_CLUSTER_EPOCHS, _CLUSTER_RATE = 0.5, 0.3

_SEEN = 1000
"""Items that find the first ranges."""


class Made(NamedTuple):
    """A model, and what was done to make it, for people."""

    model: Any
    said: list[str]


class Framework(Protocol):
    """What a framework does for a recipe, with models of its own.

    Attributes:
        loss: crossentropy or squared.
    """

    loss: str

    def items(self) -> Items:
        """The training data, checked against the model. Raises InputError."""

    def judged(self, items: Items) -> float:
        """How much of it the model as it came has right, as a part of 1."""

    def student(self, steps: Steps, split: Split) -> Made:
        """What is trained. Raises InputError."""

    def kernels(self, student: Any) -> Sequence[tuple[str, Kernel]]:
        """The weights that multiply, by layer."""

    def run(self, student: Any, split: Split, settings: Settings, distil: bool, rules: Sequence[Rule]) -> Run:
        """A training of the student. Raises InputError where the teacher does not fit."""

    def prepared(self, student: Any, seen: Array) -> Made:
        """A student that computes as its int8 export will. Raises InputError."""

    def save(self, student: Any, target: str) -> str:
        """Write the float model to `target` and a suffix; the path."""

    def export(self, student: Any, target: str, seen: Array) -> str:
        """Write what `prepared` made, trained, to `target`.tflite; the path."""


OpenFramework = Callable[[Train], Framework]


def run(request: Train, tell: Callable[[str], None], opened: OpenFramework) -> Trained:
    """Train and write the file. Raises InputError; stepping.TooLittleTimeError."""
    began = time.monotonic()
    framework = opened(request)
    work = _Work(request, tell, began, framework)
    steps = work.steps
    student, said = framework.student(steps, work.split)
    phases, float_file = [], ""
    for name in steps.phases:
        zeros = prune.zeros(framework.kernels(student))
        if name == "qat":
            student, more = framework.prepared(student, work.split.train.x[:_SEEN])
            said = [*said, *more]
        elif name == "cluster":
            said = [*said, f"each layer has at most {steps.cluster} values and 0"]
        rules = _rules(steps, name, framework.kernels(student), zeros)
        phases.append(work.train(student, _settings(request.settings, name), name, rules))
        tell(f"{request.recipe}: {name} done, best at epoch {phases[-1].best_epoch + 1}")
        if name != "qat":
            float_file = framework.save(student, request.target)
    zeros = prune.zeros(framework.kernels(student))
    said += [f"{zeros:.0%} of the weights are zero"] if steps.prune else []
    tflite = framework.export(student, request.target, work.split.train.x) if steps.qat else ""
    return Trained(
        recipe=request.recipe,
        file=tflite or float_file,
        float_file=float_file,
        seed=request.settings.seed,
        said=said,
        phases=phases,
        before=work.before,
        zeros=zeros,
        seconds=round(time.monotonic() - began, 1),
        cpu_seconds=round(time.process_time(), 1),
        peak_rss_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
        settings=request.settings,
    )


class _Work:
    """What all phases share."""

    def __init__(self, request: Train, tell: Callable[[str], None], began_s: float, framework: Framework) -> None:
        self.steps: Steps = parse(request.recipe, "recipe")
        self._request, self._tell, self._framework = request, tell, framework
        self._deadline_s = began_s + request.budget_s if request.budget_s else float("inf")
        self.split = data.split(framework.items(), request.settings)
        self.before = framework.judged(self.split.held_out)

    def train(self, student: Any, settings: Settings, name: str, rules: Sequence[Rule]) -> Phase:
        """One phase, in place."""
        request = self._request
        watch = Watch(
            tell=lambda text: self._tell(f"{request.recipe}: {name}, {text}"),
            folder=Path(request.checkpoints) / name,
            key=f"{request.key}/{name}",
            deadline_s=self._deadline_s,
            hopeless=self._hopeless(settings, rules),
        )
        begun = self._framework.run(student, self.split, settings, self.steps.distil, rules)
        found = gone_through(begun, self.split, settings, rules, watch)
        return Phase(name, found.curve, found.best_epoch, found.diverged)

    def _hopeless(self, settings: Settings, rules: Sequence[Rule]) -> Callable[[Sequence[Point]], bool]:
        settled = max([0.0, *(rule.settled for rule in rules)])
        from_epoch = (settled + (1 - settled) / 2) * settings.epochs
        least = self.before - self._request.most_lost

        def hopeless(curve: Sequence[Point]) -> bool:
            if self._framework.loss != "crossentropy" or len(curve) < from_epoch:
                return False
            return max(point.held_out_accuracy for point in curve) < least

        return hopeless


def _rules(steps: Steps, phase: str, layers: Sequence[tuple[str, Kernel]], zeros: float) -> list[Rule]:
    """What holds in a phase; `zeros` are there as it begins."""
    if phase == "float":
        return [prune.pruning_of(layers, steps.prune, steps.scope)] if steps.prune else []
    held = phase == "qat" and steps.prune and zeros > 0
    return [
        *([prune.Held([kernel for _, kernel in layers])] if held else []),
        *([cluster.sharing_of(layers, steps.cluster)] if steps.cluster else []),
    ]


def _settings(settings: Settings, phase: str) -> Settings:
    part, rate = {"float": (1.0, 1.0), "cluster": (_CLUSTER_EPOCHS, _CLUSTER_RATE)}.get(phase, (_QAT_EPOCHS, _QAT_RATE))
    return msgspec.structs.replace(
        settings,
        epochs=max(1, round(settings.epochs * part)),
        learning_rate=settings.learning_rate * rate,
        batch=max(settings.batch, _QAT_BATCH) if phase == "qat" else settings.batch,
    )
