"""What `edge-agent evaluate --answers` would have told about a candidate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from firmware_profiles.evaluation import Evaluation, Latency, Machine
from firmware_profiles.wire import RuntimeInUse

NO_EVALUATION: dict[str, Any] = {
    "bundle_sha256": "",
    "model": "m",
    "runtime": RuntimeInUse("litert", "none", "1", None, None),
    "threads": 1,
    "metric": "none",
    "value": None,
    "values": [],
    "latency": Latency(0, 0, 0),
    "load_ms": 0.0,
    "peak_rss_bytes": 0,
    "golden_max_difference": None,
    "machine": Machine("x86_64", "", 1, "", ""),
}


class Told:
    """One candidate's answers, in a file as the agent writes them."""

    def __init__(self, path: Path, outputs: Any, targets: Any = None, *, classes: bool = True) -> None:
        outputs = np.asarray(outputs, np.float32)
        np.savez(path, answers=outputs, **({} if targets is None else {"targets": np.asarray(targets)}))
        predicted = outputs.argmax(axis=1).tolist() if classes else []
        self.outputs = path
        self.evaluation = Evaluation(items=len(outputs), predicted=predicted, **NO_EVALUATION)

    @property
    def both(self) -> tuple[Path, Evaluation]:
        return self.outputs, self.evaluation


def classes(*predicted: int) -> Any:
    """Outputs of three classes."""
    return np.eye(3)[list(predicted)]
