"""The weights of a network that multiply, seen as Keras has them, so that zeros and shared values have one code."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from converter.training.data import Array

MULTIPLYING = (nn.Conv1d, nn.Conv2d, nn.Linear)


class Kernel:
    """A weight [out, in, …] as [..., in, out]; see `stepping.Kernel`."""

    def __init__(self, weight: torch.Tensor) -> None:
        self._weight = weight.detach()

    @property
    def shape(self) -> tuple[int, ...]:
        """[..., in, out]."""
        return tuple(self._turned().shape)

    def numpy(self) -> Array:
        """The values, not copied."""
        turned: Array = self._turned().numpy()
        return turned

    def assign(self, values: Any) -> None:
        """Others, of the same shape."""
        self._turned().copy_(torch.from_numpy(values))

    def keep(self, mask: Array) -> None:
        """Zero but where the mask, bool of the same shape, is True."""
        self._turned().masked_fill_(torch.from_numpy(~mask), 0)

    def _turned(self) -> torch.Tensor:
        return self._weight.movedim((0, 1), (-1, -2))


def names(module: nn.Module) -> list[str]:
    """Of the layers that multiply."""
    return [name for name, each in module.named_modules() if isinstance(each, MULTIPLYING)]


def kernels(module: nn.Module, layers: list[str]) -> list[tuple[str, Kernel]]:
    """Of those layers; an exported graph keeps the names of its weights."""
    found = dict(module.named_parameters())
    return [(name, Kernel(found[f"{name}.weight"])) for name in layers if f"{name}.weight" in found]
