"""A user's own metric, "module:function", called in a process of its own.

The function takes the model's answers, float32 [n, values], and the targets, class indices int64 [n] or
values float32 [n, values] (`metrics.Answers` tells what they are for other tasks); it gives one number, of
which more is better. The module lies beside the project file. `python -m converter.own_metric FOLDER
MODULE:FUNCTION ARRAYS.npz` prints the number.
"""

from __future__ import annotations

import importlib
import math
import os
import sys
from pathlib import Path

import numpy as np

from converter.metrics import Answers, Metric
from converter.processes import Processes
from firmware_profiles import errors
from firmware_profiles.errors import GodwitError, InputError, Problem, guarded

_LIMIT_S = 600.0


def metric(spec: str, beside: Path, processes: Processes, folder: Path) -> Metric:
    """The metric that calls it; it has no interval, since a thousand resamples may take hours.

    Args:
        beside: folder of the project file.
        folder: for temporary files.
    """

    def value(answers: Answers) -> float:
        arrays = folder / "own-metric.npz"
        np.savez(arrays, outputs=answers.outputs, targets=answers.targets)
        line = [sys.executable, "-m", "converter.own_metric", str(beside), spec, str(arrays)]
        finished = processes.run(line, _LIMIT_S)
        if finished.exit_code == 0:
            return float(finished.stdout)
        told = errors.from_process(finished.exit_code or 1, finished.stderr)
        step = "run the function alone"
        raise told or GodwitError(Problem(spec, "a number", f"a process that {finished.ending(_LIMIT_S)}", step))

    return Metric(spec, spec, (), value, None, "relative", resampled=False)


def _call(beside: str, spec: str, arrays: str) -> float:
    module, _, name = spec.partition(":")
    sys.path.insert(0, beside)
    with np.load(arrays) as loaded:
        outputs, targets = loaded["outputs"], loaded["targets"]
    try:
        found = float(getattr(importlib.import_module(module), name)(outputs, targets))
    except Exception as error:  # noqa: BLE001  # it is the user's code, and may raise anything
        told = f"{type(error).__name__}: {error}"
        raise InputError(Problem(f"metric {spec}", "a function of outputs and targets", told, "correct it")) from None
    if not math.isfinite(found):
        raise InputError(Problem(f"metric {spec}", "a finite number", str(found), "correct it"))
    return found


def main() -> int:
    """Print the value; what the function prints goes to stderr."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    print(repr(_call(*sys.argv[1:])), file=answer, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
