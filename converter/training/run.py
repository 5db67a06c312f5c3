"""One recipe that trains, from a Keras model to a smaller Keras model, or to an int8 TFLite file."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import msgspec

from converter.passes import channels, cluster, distil, prune, qat, qat_export
from converter.passes.finetune import Watch, finetune
from converter.passes.keras_graph import copied
from converter.training import data, objective, students
from converter.training.checkpoint import Point
from converter.training.loop import Rule, judged
from converter.training.protocol import Phase, Train, Trained
from converter.training.settings import Settings
from converter.training.steps import Steps, parse

_QAT_EPOCHS, _QAT_RATE = 0.2, 0.1
"""Of the settings: the model is where it should be, and only learns to be rounded."""

_CLUSTER_EPOCHS, _CLUSTER_RATE = 0.5, 0.3
_MOMENTUM = 0.97
"""Of batch normalization at most: its statistics must follow in few epochs what thinning and zeros change."""

_SEEN = 1000
"""Items that find the first ranges."""


def run(request: Train, tell: Callable[[str], None]) -> Trained:
    """Train and write the file. Raises InputError; loop.TooLittleTimeError."""
    began = time.monotonic()
    work = _Work(request, tell, began)
    steps = work.steps
    student, said = work.student()
    phases, float_file = [], ""
    for name in steps.phases:
        settings = _settings(request.settings, name)
        if name == "qat":
            zeros = prune.sparsity(student)
            prepared = qat.prepared(student, work.split.train.x[:_SEEN])
            student, said = prepared.model, [*said, *prepared.said]
            rules: list[Rule] = [prune.held(student)] if zeros > 0 and steps.prune else []
            rules += [cluster.sharing(student, steps.cluster)] if steps.cluster else []
        elif name == "cluster":
            rules = [cluster.sharing(student, steps.cluster)]
            said.append(f"each layer has at most {steps.cluster} values and 0")
        else:
            rules = [prune.pruning(student, steps.prune, steps.scope)] if steps.prune else []
        phases.append(work.train(student, settings, name, rules))
        tell(f"{request.recipe}: {name} done, best at epoch {phases[-1].best_epoch + 1}")
        if name != "qat":
            float_file = f"{request.target}.keras"
            student.save(float_file)
    zeros = prune.sparsity(student)
    said += [f"{zeros:.0%} of the weights are zero"] if steps.prune else []
    tflite = qat_export.write(student, work.original, request.target, work.split.train.x) if steps.qat else ""
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

    def __init__(self, request: Train, tell: Callable[[str], None], began_s: float) -> None:
        self.steps: Steps = parse(request.recipe, "recipe")
        self._request, self._tell = request, tell
        self._deadline_s = began_s + request.budget_s if request.budget_s else float("inf")
        settings = request.settings
        keras.utils.set_random_seed(settings.seed)
        self.original = load(Path(request.model), request.format)
        items = data.read(Path(request.data))
        self.loss = objective.kind(settings, request.task)
        objective.check(self.original, items, self.loss, "training data")
        self.split = data.split(items, settings)
        self.before = judged(self.original, self.split.held_out, self.loss)[1]
        self._teacher = load(Path(request.teacher), "keras") if request.teacher else self.original

    def student(self) -> tuple[Any, list[str]]:
        """What is trained, and how it came to be."""
        steps = self.steps
        if steps.student:
            made = students.made(steps.student, steps.width, self.original)
            said = [f"{steps.student}: {made.count_params():,} weights, the model has {self.original.count_params():,}"]
        else:
            made, said = copied(self.original), []
        for layer in made.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = min(layer.momentum, _MOMENTUM)
        if not steps.channels:
            return made, said
        scores = channels.importance(made, "taylor", self.split.train, self.loss)
        ratios = channels.inside(made, steps.channels) if steps.inside else steps.channels / 100
        thinned = channels.thinned(made, ratios, scores)
        return thinned.model, [*said, *thinned.said]

    def train(self, student: Any, settings: Settings, name: str, rules: Sequence[Rule]) -> Phase:
        """One phase, in place."""
        request = self._request
        wanted = (
            distil.distilling(self._teacher, student, settings, self.loss)
            if self.steps.distil
            else objective.plain(self.loss)
        )
        watch = Watch(
            tell=lambda text: self._tell(f"{request.recipe}: {name}, {text}"),
            folder=Path(request.checkpoints) / name,
            key=f"{request.key}/{name}",
            deadline_s=self._deadline_s,
            hopeless=self._hopeless(settings, rules),
        )
        found = finetune(student, self.split, settings, wanted, self.loss, rules, watch)
        return Phase(name, found.curve, found.best_epoch, found.diverged)

    def _hopeless(self, settings: Settings, rules: Sequence[Rule]) -> Callable[[Sequence[Point]], bool]:
        settled = max([0.0, *(rule.settled for rule in rules)])
        from_epoch = (settled + (1 - settled) / 2) * settings.epochs
        least = self.before - self._request.most_lost

        def hopeless(curve: Sequence[Point]) -> bool:
            if self.loss != "crossentropy" or len(curve) < from_epoch:
                return False
            return max(point.held_out_accuracy for point in curve) < least

        return hopeless


def load(path: Path, source_format: str) -> Any:
    """A Keras model. Raises InputError."""
    from converter.formats.keras import load_model

    return load_model(path, "h5" if source_format == "h5" else "keras")


def _settings(settings: Settings, phase: str) -> Settings:
    part, rate = {"float": (1.0, 1.0), "cluster": (_CLUSTER_EPOCHS, _CLUSTER_RATE)}.get(phase, (_QAT_EPOCHS, _QAT_RATE))
    return msgspec.structs.replace(
        settings, epochs=max(1, round(settings.epochs * part)), learning_rate=settings.learning_rate * rate
    )
