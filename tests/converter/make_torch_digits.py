"""`python make_torch_digits.py FOLDER`, in the toolchain litert-torch: digits.th, trained on FOLDER/training.npz."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from digits_net import network


def main(folder: Path) -> None:
    """The state dict of `digits_net.network` after some epochs; the same for everyone who asks."""
    with np.load(folder / "training.npz") as arrays:
        x, y = torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["y"])
    torch.manual_seed(7)
    model = network().train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(8):
        for part in torch.randperm(len(x)).split(32):
            loss = torch.nn.functional.nll_loss(model(x[part]).clamp(min=1e-7).log(), y[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.save(model.state_dict(), folder / "digits.th")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
