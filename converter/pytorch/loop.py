"""One training of a PyTorch network: Adam, a half cosine of learning rates, rules after each step.

The epochs, checkpoints and early stopping around it are those of every framework (converter/passes/finetune.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from converter.pytorch.network import Network
from converter.pytorch.objective import Objective, Task
from converter.training import data, stepping
from converter.training.data import Items
from converter.training.settings import Settings
from converter.training.stepping import Rule

_LAST_RATE = 0.01
_AT_ONCE = 250
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Run:
    """See `stepping.Run`."""

    def __init__(
        self,
        student: torch.nn.Module,
        network: Network,
        items: Items,
        settings: Settings,
        objective: Objective,
        task: Task,
        rules: Sequence[Rule],
    ) -> None:
        """Args: `network` says how items are moved; `student` takes and gives what it does."""
        self._student, self._network, self._items = student, network, items
        self._settings, self._objective, self._task, self._rules = settings, objective, task, rules
        self._steps = data.steps(items, settings) * settings.epochs
        self._parameters = [each for each in student.parameters() if each.requires_grad]
        self._optimizer = torch.optim.Adam(self._parameters, lr=settings.learning_rate, eps=1e-7)
        self._done = 0

    def epoch(self, epoch: int, deadline_s: float) -> tuple[float, float]:
        """See `stepping.epoch`."""
        torch.manual_seed(self._settings.seed * 1_000_003 + epoch)  # of dropout
        self._student.train()
        self._done = epoch * data.steps(self._items, self._settings)
        return stepping.epoch(epoch, self._items, self._settings, self._rules, deadline_s, self._step)

    def judge(self, items: Items) -> tuple[float, float]:
        """By the loss that is trained with."""
        return judged(self._student, self._network, items, self._task, self._objective)

    def weights(self) -> list[Any]:
        """Of the model alone."""
        return [each.numpy().copy() for each in self._tensors()]

    def put(self, weights: Sequence[Any]) -> None:
        """Give the model weights that it had."""
        for tensor, value in zip(self._tensors(), weights, strict=True):
            tensor.copy_(torch.from_numpy(np.asarray(value)))

    def state(self) -> list[Any]:
        """All that the next epoch begins with."""
        moments = [self._optimizer.state[each][name] for each in self._parameters for name in _MOMENTS]
        return [*self.weights(), *(each.numpy().copy() for each in moments)]

    def restore(self, values: Sequence[Any]) -> None:
        """Begin where `state` was told; nothing where there is none."""
        if not values:
            return
        count = len(self._tensors())
        self.put(values[:count])
        moments = iter(values[count:])
        for each in self._parameters:
            self._optimizer.state[each] = {name: torch.from_numpy(np.asarray(next(moments))) for name in _MOMENTS}

    def _tensors(self) -> list[torch.Tensor]:
        return list(self._student.state_dict().values())

    def _step(self, batch: Items) -> tuple[float, float]:
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.learning_rate * _cosine(self._done / self._steps)
        x, y = self._network.moved(batch.x), torch.from_numpy(batch.y)
        value, outputs = self._objective(self._student, x, y)
        kernels = [each for each in self._parameters if each.ndim > 1]
        whole = value + self._settings.decay * sum(each.square().sum() for each in kernels)
        self._optimizer.zero_grad()
        whole.backward()
        for each in self._parameters:
            torch.nn.utils.clip_grad_norm_([each], 1.0)
        self._optimizer.step()
        self._done += 1
        return float(whole.detach()), self._task.right(outputs.detach(), y)


def judged(
    model: torch.nn.Module, network: Network, items: Items, task: Task, objective: Objective
) -> tuple[float, float]:
    """The loss and the accuracy, as a part of 1, on items that are not trained on."""
    model.eval()
    told, counts = [], []
    with torch.no_grad():
        for start in range(0, len(items.x), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            y = torch.from_numpy(items.y[part])
            loss, outputs = objective(model, network.moved(items.x[part]), y)
            told.append((float(loss), task.right(outputs, y)))
            counts.append(len(y))
    loss_found, accuracy = np.average(told, axis=0, weights=counts)
    return float(loss_found), float(accuracy)


def answers(model: torch.nn.Module, network: Network, x: Any) -> torch.Tensor:
    """Of a model in evaluation mode to items [n, …]."""
    with torch.no_grad():
        return torch.cat([model(network.moved(x[start : start + _AT_ONCE])) for start in range(0, len(x), _AT_ONCE)])


def _cosine(done: float) -> float:
    return (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * done)) + _LAST_RATE
