"""`python -m tests.converter.make_digits FOLDER`: a trained network of digits, and data for a project of it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from tests.converter import small_nets


def main(folder: Path) -> None:
    """Write model.keras, training.npz, calibration.npz and evaluation.npz."""
    ours, others = small_nets.digits()
    small_nets.trained(ours, epochs=4).save(folder / "model.keras")
    for name, items in (("training", ours), ("evaluation", others)):
        np.savez(folder / f"{name}.npz", x=items.x, y=items.y)
    np.savez(folder / "calibration.npz", x=ours.x[:200], y=ours.y[:200])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
