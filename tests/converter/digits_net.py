"""A small PyTorch network with everything that thinning has to follow; copied beside a project as its code."""

from __future__ import annotations

import torch
from torch import nn


class Digits(nn.Module):
    """A residual addition, a concatenation, a depthwise layer, batch normalization, flattening and dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.inner, self.inner_norm = nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.second, self.second_norm = nn.Conv2d(16, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.left, self.right = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, padding=1)
        self.depthwise, self.depthwise_norm = nn.Conv2d(16, 16, 3, padding=1, groups=16), nn.BatchNorm2d(16)
        self.drop = nn.Dropout(0.1)
        self.hidden, self.classes = nn.Linear(16 * 4 * 4, 16), nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first_norm(self.first(x)).relu()
        y = self.inner_norm(self.inner(x)).relu()
        x = (x + self.second_norm(self.second(y))).relu()
        x = nn.functional.max_pool2d(x, 2)
        x = torch.cat([self.left(x).relu(), self.right(x).relu()], 1)
        x = self.depthwise_norm(self.depthwise(x)).relu()
        x = self.hidden(self.drop(x.flatten(1))).relu()
        return self.classes(x).softmax(-1)


def network() -> nn.Module:
    return Digits()
