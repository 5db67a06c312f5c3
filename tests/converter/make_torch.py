"""`python make_torch.py FOLDER`, in the toolchain torch: a small network in every form, with its answers."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

CODE = """\
from torch import nn

def network():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 5), nn.Softmax(-1))
"""


def main(folder: Path) -> None:
    """Write small.py, small.th, whole.th, nan.th, small.pt2 and answers.npz (x, y)."""
    (folder / "small.py").write_text(CODE)
    torch.manual_seed(7)
    names: dict[str, object] = {}
    exec(CODE, names)  # noqa: S102  # our own text, just above
    network = names["network"]().eval()  # type: ignore[operator]
    # As a training script leaves it: a checkpoint of a network that was wrapped in DataParallel.
    state = {f"module.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, folder / "small.th")
    torch.save(network, folder / "whole.th")
    torch.save({**network.state_dict(), "0.bias": torch.full((4,), float("nan"))}, folder / "nan.th")
    torch.save(nn.Linear(2, 2).state_dict(), folder / "other.th")
    x = torch.rand(1, 3, 8, 8)
    torch.export.save(torch.export.export(network, (x,)), folder / "small.pt2")
    np.savez(folder / "answers.npz", x=x.numpy(), y=network(x).detach().numpy())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
