"""What PyTorch does for a recipe that trains: from code and its state to a smaller program, or to an int8 TFLite file.

Runs in the toolchain litert-torch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from converter.pytorch import channels, hints, loop, network, objective, qat, weights
from converter.pytorch.objective import Task
from converter.training import data, fits, recipe
from converter.training.data import Array, Items, Split
from converter.training.protocol import Train, Trained
from converter.training.recipe import Made
from converter.training.settings import Settings
from converter.training.stepping import Kernel, Rule
from converter.training.steps import Steps
from firmware_profiles.errors import InputError

_MOMENTUM = 0.03
"""Of batch normalization at least: its statistics must follow in few epochs what thinning and zeros change."""

_SEEN = 512
"""Items that tell the form of a network's outputs, and the gradients that channels are judged by."""

_AT_ONCE = 64
_NORMS = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)


def run(request: Train, tell: Callable[[str], None]) -> Trained:
    """Train and write the file. Raises InputError; stepping.TooLittleTimeError."""
    return recipe.run(request, tell, _PyTorch)


class _PyTorch:
    """See `recipe.Framework`."""

    def __init__(self, request: Train) -> None:
        torch.manual_seed(request.settings.seed)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self._request = request
        self._network = network.of_request(request)
        self._teacher = network.teacher_of(request, self._network)
        self.loss = fits.kind(request.settings.loss, request.task)
        self._task = self._theirs = Task(self.loss, "logits")

    def items(self) -> Items:
        items = data.read(Path(self._request.data))
        takes = self._network.takes
        fits.check(takes, self._network.gives, items, self.loss, "training data")
        if self._network.channels_last:
            items = items._replace(x=items.x.transpose(0, 2, 3, 1))
        if self.loss == "crossentropy":
            items = items._replace(y=items.y.astype("int64"))
            self._task, self._theirs = (
                Task(self.loss, objective.form(loop.answers(each.module, each, items.x[:_SEEN])))
                for each in (self._network, self._teacher)
            )
        return items

    def judged(self, items: Items) -> float:
        plain = objective.plain(self._task)
        return loop.judged(self._network.module, self._network, items, self._task, plain)[1]

    def student(self, steps: Steps, split: Split) -> Made:
        def fresh() -> torch.nn.Module:
            made = copy.deepcopy(self._network.module)
            if steps.channels and criterion == "taylor":
                self._with_gradients(made, split.train)
            return made

        criterion, example = self._request.settings.channels_by, self._network.moved(split.train.x[:1])
        made, said = fresh(), []
        if steps.channels:
            ratios = self._ratios(steps, split, fresh)
            said = channels.thinned(made, example, ratios, criterion, inside=steps.inside)
        for layer in made.modules():
            if isinstance(layer, _NORMS) and layer.momentum is not None:
                layer.momentum = max(layer.momentum, _MOMENTUM)
        return Made(made, said)

    def _ratios(self, steps: Steps, split: Split, fresh: Callable[[], torch.nn.Module]) -> float | Mapping[str, float]:
        settings = self._request.settings
        if steps.inside or settings.channels_ratios == "even":
            return steps.channels / 100
        some = Items(split.train.x[:_SEEN], split.train.y[:_SEEN])
        plain = objective.plain(self._task)

        def judged(model: torch.nn.Module) -> float:
            return loop.judged(model, self._network, some, self._task, plain)[0]

        example = self._network.moved(some.x[:1])
        return channels.by_sensitivity(fresh, example, steps.channels, settings.channels_by, judged)

    def kernels(self, student: Any) -> Sequence[tuple[str, Kernel]]:
        if isinstance(student, qat.Simulated):
            return list(weights.kernels(student.graph_module, student.layers))
        return list(weights.kernels(student, weights.names(student)))

    def run(self, student: Any, split: Split, settings: Settings, distil: bool, rules: Sequence[Rule]) -> loop.Run:
        wanted = objective.plain(self._task)
        if distil:
            teacher = self._teacher.module  # as it was loaded; of an exported program the mode is fixed
            layers = [] if isinstance(student, qat.Simulated) else settings.hints  # it has other layers' answers
            if problems := hints.odd(teacher, student.eval(), layers, self._network.moved(split.train.x[:1])):
                raise InputError(*problems)
            wanted = objective.distilling(self._task, teacher, self._theirs, settings, self.loss, layers)
        return loop.Run(student, self._network, split.train, settings, wanted, self._task, rules)

    def prepared(self, student: Any, seen: Array) -> Made:
        return Made(*qat.prepared(student, weights.names(student), self._network.moved(seen)))

    def save(self, student: Any, target: str) -> str:
        path = f"{target}.pt2"
        example = torch.zeros(1, *self._network.takes)
        torch.export.save(torch.export.export(student.eval(), (example,)), path)
        return path

    def export(self, student: Any, target: str, seen: Array) -> str:
        moved = self._network.moved(seen[:100]).contiguous()
        return qat.write(student, moved[:1], target, moved.numpy())

    def _with_gradients(self, model: torch.nn.Module, items: Items) -> None:
        """Of the task's loss on some training data."""
        model.eval()
        for start in range(0, min(_SEEN, len(items.x)), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            outputs = model(self._network.moved(items.x[part]))
            self._task.loss(outputs, torch.from_numpy(items.y[part])).backward()
