"""What `edge-agent evaluate`, `compare` and `machine` print with --json: evidence, and where it was found."""

from __future__ import annotations

from typing import Literal

import msgspec

from firmware_profiles.wire import RuntimeInUse


class Latency(msgspec.Struct, frozen=True):
    """Time of one inference (tensor in, tensor out; no pre- or post-processing), after warm-up."""

    runs: int
    p50_ms: float
    p95_ms: float


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured; `edge-agent machine --json` prints it alone.

    Attributes:
        board: model in the device tree; empty where there is none.
    """

    arch: str
    cpu: str
    cores: int
    system: str
    python: str
    board: str = ""


class SideBySide(msgspec.Struct, frozen=True):
    """What `edge-agent compare --json` prints: two bundles measured in turn, in one process."""

    first: Latency
    second: Latency
    machine: Machine


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """Accuracy, cost and identity of one model in one bundle.

    Attributes:
        metric: top1 is the share of right classes; mae the mean absolute error; "none" means that
            the data has no labels, or that the converter judges this task.
        value: of that metric; None where it is "none".
        predicted: per item, the best class of a classification (indices).
        values: per item, the values of a regression, or the score of an anomaly.
        load_ms: from the model file to a runtime that is ready.
        peak_rss_bytes: of the evaluating process, after the latency runs.
        left_nodes: operators that the delegate left to the runtime's own kernels, each named once.
        golden_max_difference: largest absolute difference from the golden vectors' expected outputs;
            None if the bundle has none.
    """

    bundle_sha256: str
    model: str
    runtime: RuntimeInUse
    threads: int
    items: int
    metric: Literal["top1", "mae", "none"]
    value: float | None
    predicted: list[int]
    values: list[list[float]]
    latency: Latency
    load_ms: float
    peak_rss_bytes: int
    golden_max_difference: float | None
    machine: Machine
    left_nodes: list[str] = []
