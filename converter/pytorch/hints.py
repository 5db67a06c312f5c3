"""The answers of layers inside a network, beside its own: what distillation's hints compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from firmware_profiles.errors import Problem


@contextmanager
def heard(model: nn.Module, names: Sequence[str]) -> Iterator[dict[str, torch.Tensor]]:
    """What the modules of these names answer within the block."""
    found: dict[str, torch.Tensor] = {}
    with ExitStack() as stack:
        for name in names:

            def keep(_module: Any, _inputs: Any, answer: torch.Tensor, name: str = name) -> None:
                found[name] = answer

            stack.callback(model.get_submodule(name).register_forward_hook(keep).remove)
        yield found


def odd(teacher: nn.Module, student: nn.Module, names: Sequence[str], example: torch.Tensor) -> list[Problem]:
    """Hints that do not fit: both must have the layer, and its answers be of one shape.

    Both networks are in evaluation mode.
    """
    problems = []
    for name in names:
        shapes = [_shape(model, name, example) for model in (teacher, student)]
        if None in shapes or shapes[0] != shapes[1]:
            found = f"{shapes[0]} of the teacher, {shapes[1]} of the student"
            problems.append(Problem(f"hint {name}", "a layer of both with answers of one shape", found, "leave it out"))
    return problems


def _shape(model: nn.Module, name: str, example: torch.Tensor) -> tuple[int, ...] | None:
    if name not in dict(model.named_modules()):
        return None
    with heard(model, [name]) as found, torch.no_grad():
        model(example)
    answer = found.get(name)
    return tuple(answer.shape[1:]) if isinstance(answer, torch.Tensor) else None
