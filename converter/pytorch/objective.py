"""What training makes small: the task's loss on a network's outputs, whatever form they have; and a teacher's answers.

The same as for Keras (converter/training/objective.py, converter/passes/distil.py), on PyTorch's tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch.nn import functional

from converter.pytorch import hints
from converter.training.settings import HINT_WEIGHT, Settings

Form = Literal["logits", "probabilities", "sigmoid"]
"""Of a classifier's outputs; logarithms of probabilities are logits too."""

Objective = Callable[[torch.nn.Module, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""(model, x, y) → (loss, outputs)."""

_TINY = 1e-7
_NEAR = 1e-3
_SMALLEST = 1e-6


def form(outputs: torch.Tensor) -> Form:
    """By what a network gave [n, classes] for many items: nothing else of its code tells it."""
    if outputs.min() < 0 or outputs.max() > 1 + _NEAR:
        return "logits"
    if outputs.shape[-1] == 1:
        return "sigmoid"
    return "probabilities" if bool(((outputs.sum(-1) - 1).abs() < _NEAR).all()) else "logits"


class Task:
    """The task's loss and what is right, by outputs of one form."""

    def __init__(self, loss: str, form: Form) -> None:
        """Args: `loss`: crossentropy or squared."""
        self._loss, self._form = loss, form

    def logits(self, outputs: torch.Tensor) -> torch.Tensor:
        """Outputs [n, classes] as logits up to a constant; one output becomes two."""
        if self._form == "probabilities":
            return outputs.clamp(min=_TINY).log()
        if outputs.shape[-1] == 1:
            if self._form == "sigmoid":
                outputs = outputs.clamp(min=_TINY).log() - (1 - outputs).clamp(min=_TINY).log()
            return torch.cat([torch.zeros_like(outputs), outputs], -1)
        return outputs

    def loss(self, outputs: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Mean over the batch."""
        if self._loss == "crossentropy":
            return functional.cross_entropy(self.logits(outputs), y)
        return functional.mse_loss(outputs, y.to(outputs.dtype).reshape(outputs.shape))

    def right(self, outputs: torch.Tensor, y: torch.Tensor) -> float:
        """Part of the items that are classified right; 0 for squared error, of which nothing can be said so."""
        if self._loss != "crossentropy":
            return 0.0
        return float((self.logits(outputs).argmax(-1) == y).float().mean())


def plain(task: Task) -> Objective:
    """The task's loss alone."""

    def objective(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = model(x)
        return task.loss(outputs, y), outputs

    return objective


def distilling(
    task: Task, teacher: torch.nn.Module, theirs: Task, settings: Settings, loss: str, layers: Sequence[str] = ()
) -> Objective:
    """w · T² · KL(teacher ‖ student at temperature T) + (1 - w) · task loss (Hinton 2015, arXiv 1503.02531).

    Args:
        layers: of both, whose answers are compared too (Romero 2015, arXiv 1412.6550), each scaled to the teacher's.
    """
    weight, temperature = settings.teacher_weight, settings.temperature

    def objective(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        with torch.no_grad(), hints.heard(teacher, layers) as their_features:
            told = teacher(x)
        with hints.heard(model, layers) as features:
            outputs = model(x)
        if loss == "crossentropy":
            target = functional.log_softmax(theirs.logits(told) / temperature, -1)
            ours = functional.log_softmax(task.logits(outputs) / temperature, -1)
            taught = temperature**2 * functional.kl_div(ours, target, reduction="batchmean", log_target=True)
        else:
            taught = functional.mse_loss(outputs, told)
        value = weight * taught + (1 - weight) * task.loss(outputs, y)
        for name, their in their_features.items():
            value = value + HINT_WEIGHT * functional.mse_loss(features[name], their) / (their.var() + _SMALLEST)
        return value, outputs

    return objective
