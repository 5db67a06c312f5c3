"""A candidate: one recipe applied to one model, and what was found out about it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from converter.compare import Comparison
from converter.protocol import Layer
from converter.recipes import Recipe, Symmetry
from converter.training.protocol import Trained
from firmware_profiles.manifest import Tensor
from firmware_profiles.wire import RuntimeInUse
from firmware_profiles.words import DelegateName, ModelFormat, Precision, RecipeName, RuntimeName


class Row(NamedTuple):
    """A runtime and delegate."""

    runtime: RuntimeName
    delegate: DelegateName

    def __str__(self) -> str:
        return f"{self.runtime}/{self.delegate}"


READERS: dict[ModelFormat, tuple[Row, ...]] = {
    "tflite": (Row("litert", "xnnpack"), Row("litert", "none")),
    "onnx": (Row("onnx", "cpu"),),
}
"""What accuracy is measured on, here: the first that loads the model."""

RUNTIMES_OF_FORMAT: dict[ModelFormat, tuple[RuntimeName, ...]] = {
    "tflite": ("litert", "tflite"),
    "onnx": ("onnx",),
    "null": ("null",),
}


class Model(NamedTuple):
    """The exported file of a candidate."""

    file: Path
    inputs: list[Tensor]
    outputs: list[Tensor]


HERE = "this machine"
"""The machine that converts, beside the host names of others."""


class Cost(msgspec.Struct, frozen=True):
    """What a candidate costs on one runtime of one machine.

    Attributes:
        measured_on: host name of the device, or "this machine": the one that converts.
        runtime, delegate, version: what ran it.
        p50_ms, p95_ms: of one inference, tensor in, tensor out.
        ratio: of the p50 to float's, the two measured in turn in one process.
        float_p50_ms, float_p95_ms: of float, measured in turn with it.
        load_ms: from the model file to a runtime that is ready.
        peak_rss_mb: of a process that only evaluates it.
        delegated_nodes, nodes: what the delegate took, of how many; None where it cannot be told.
        left_nodes: operators that it left to the runtime's own kernels.
    """

    measured_on: str
    runtime: RuntimeName
    delegate: DelegateName
    version: str
    threads: int
    runs: int
    p50_ms: float
    p95_ms: float
    ratio: float
    float_p50_ms: float
    float_p95_ms: float
    load_ms: float
    peak_rss_mb: float
    delegated_nodes: int | None = None
    nodes: int | None = None
    left_nodes: list[str] = []


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the report.

    Attributes:
        key: names it in one conversion: "model/recipe", or just the recipe of `[model]`'s own source.
        model: name of the `[[model.candidate]]` that it was made from; empty for `[model]`'s own source.
        made_by: the recipe as a row of data; the fields after it are its own.
        outcome: measured; declined: there is no route, which is no fault; failed: a tool failed.
        reason: why it was declined or failed.
        activations: symmetry of quantized activations; None where they stay float.
        size_bytes: of the model file as loaded.
        transfer_bytes: of the model file as it travels, compressed by Zstandard at level 19.
        multiply_adds: of one inference.
        layers: of a quantized model, each against float on calibration items; empty where that is not known.
        said: what passes over the whole model did, for people; what training did is in `trained`.
        chosen_on: how it does on the items that the choice is made on; None if not measured.
        confirmed_on: how it does on the items that took no part in the choice; None where they were
            not asked.
        ran_on: what its accuracy was measured on.
        left_nodes: operators that the delegate left to the runtime's own kernels there.
        not_on_gpu: operators that LiteRT's GPU delegate does not take; looked for where a profile lists it.
        trained: what training did, seeds and curves with it; None of a recipe without.
        costs: one entry a machine and runtime, the machine that converts first; empty where the goal was missed.
    """

    key: str
    model: str = ""
    recipe: RecipeName
    made_by: Recipe
    title: str
    format: ModelFormat
    precision: Precision
    activations: Symmetry | None
    outcome: Literal["measured", "declined", "failed"]
    reason: str = ""
    size_bytes: int = 0
    transfer_bytes: int = 0
    multiply_adds: int = 0
    layers: list[Layer] = []
    said: list[str] = []
    chosen_on: Comparison | None = None
    confirmed_on: Comparison | None = None
    ran_on: RuntimeInUse | None = None
    left_nodes: list[str] = []
    not_on_gpu: list[str] = []
    trained: Trained | None = None
    costs: list[Cost] = []

    @property
    def told(self) -> Comparison | None:
        """What may be said about it: the confirmation, which no choice flatters, where there is one."""
        return self.confirmed_on or self.chosen_on

    def cost_on(self, rows: list[Row], machine: str) -> Cost | None:
        """What it costs on that machine, on the first of the rows that it was measured on there."""
        by_row = {Row(cost.runtime, cost.delegate): cost for cost in self.costs if cost.measured_on == machine}
        return next((by_row[row] for row in rows if row in by_row), None)
