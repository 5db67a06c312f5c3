"""Golden vectors for chosen candidates, and the runtimes they may claim because they gave the same answers."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from converter import golden, pack
from converter.build import Built, Workshop
from converter.candidate import READERS, Row
from converter.device.host import GoneError
from converter.evaluate import Agent
from converter.golden import Array
from firmware_profiles.errors import GodwitError
from firmware_profiles.manifest import RuntimeClaim
from firmware_profiles.words import Precision

TOLERANCE: dict[Precision, float] = {
    "float32": 1e-3,
    "float16": 1e-2,
    "int8": 16 / 255,
    "int16": 16 / 255,
    "int4": 16 / 255,
}
"""Largest difference from the expected outputs, as a share of the outputs' range.

float32: kernels sum in other orders; measured below 1e-5, and a wrong weight shows above 1e-2.
float16: some processors compute in half precision (11 bits, 5e-4 an operation) where others do not.
int8: sixteen output steps. Kernels round halves differently, and an early step grows on its way
through the layers. XNNPACK and the built-in kernels differ by up to 0.3 of ResNet8's softmax, so
inputs on which they agree are preferred, and what is left of their difference is allowed twice.
int16 and int4: their other half is int8 or float, so no more than that.
"""


class Vectors(NamedTuple):
    """Golden vectors of one candidate.

    Attributes:
        content: of the .npz.
        tolerance: in the outputs' own unit.
    """

    content: bytes
    tolerance: float


class Proven(NamedTuple):
    """What was shown about one runtime: a claim, or the reason why there is none."""

    row: Row
    claim: RuntimeClaim | None
    reason: str


class Prover:
    """Makes the vectors of a candidate once, and proves each runtime once, for however many profiles."""

    def __init__(self, shop: Workshop, pool: Array) -> None:
        """Args: `pool` of raw golden inputs, [n, …]."""
        self._shop = shop
        self._pool = pool
        self._vectors: dict[str, Vectors] = {}
        self._proven: dict[tuple[str, Row, str], Proven] = {}

    def vectors(self, built: Built) -> Vectors:
        """The candidate's golden vectors, answered by the runtime that its accuracy was measured on."""
        key = built.candidate.key
        if key not in self._vectors:
            self._vectors[key] = self._make(built)
        return self._vectors[key]

    def prove(self, built: Built, row: Row, agent: Agent) -> Proven:
        """Run the self-test of the candidate on `row` where `agent` is."""
        key = (built.candidate.key, row, agent.host)
        if key not in self._proven:
            self._proven[key] = self._selftest(built, row, agent)
        return self._proven[key]

    def _make(self, built: Built) -> Vectors:
        assert built.evaluated is not None
        table, expected_on = self._shop.project.file, built.evaluated.row
        outputs = self._answers(built, expected_on)
        unrest = np.zeros(len(self._pool))
        for row in READERS[built.candidate.format]:
            if row != expected_on:
                unrest = np.maximum(unrest, self._unrest(built, row, outputs))
        tolerance = TOLERANCE[built.candidate.precision] * max(map(_span, outputs))
        classification = table.model.task == "classification"
        chosen = golden.pick(outputs[0], unrest, table.golden.count, tolerance, classification=classification)
        tolerance = max(tolerance, 2 * float(unrest[chosen].max()))
        return Vectors(golden.encode(self._pool[chosen], [output[chosen] for output in outputs]), tolerance)

    def _answers(self, built: Built, row: Row) -> list[Array]:
        """The model's outputs for the pool, on one runtime."""
        assert built.draft is not None
        folder = self._shop.folder
        inputs, outputs = folder / "pool.npz", built.draft.bundle.with_suffix(".outputs.npz")
        np.savez(inputs, x=self._pool)
        self._shop.agent.evaluate(built.draft.bundle, row, data=inputs, outputs=outputs)
        with np.load(outputs) as arrays:
            return [arrays[f"y{index}"] for index in range(len(arrays.files))]

    def _unrest(self, built: Built, row: Row, outputs: list[Array]) -> Array:
        """How far another runtime's answers lie from `outputs`, by input; 0 where it does not run the model."""
        try:
            others = self._answers(built, row)
        except GodwitError:
            return np.zeros(len(self._pool))
        apart = [
            np.abs(one - other).reshape(len(one), -1).max(axis=1) for one, other in zip(outputs, others, strict=True)
        ]
        worst: Array = np.max(apart, axis=0)
        return worst

    def _selftest(self, built: Built, row: Row, agent: Agent) -> Proven:
        assert built.draft is not None
        vectors, shop = self.vectors(built), self._shop
        claim = RuntimeClaim(row.runtime, row.delegate, "0", vectors.tolerance)
        entry = pack.entry(built.draft.base, built.candidate, built.draft.model, [claim], pack.GOLDEN)
        members = {entry.file: built.draft.model.file.read_bytes(), pack.GOLDEN: vectors.content}
        bundle = built.draft.bundle.with_suffix(f".{row.runtime}-{row.delegate}.proof.godwit")
        pack.write(bundle, shop.project, shop.project.profiles[0], entry, members)
        try:
            version = agent.selftest(bundle, row).runtime.version
        except GoneError:
            raise
        except GodwitError as error:
            return Proven(row, None, "; ".join(problem.found for problem in error.problems))
        return Proven(row, RuntimeClaim(row.runtime, row.delegate, version, vectors.tolerance), "")


def _span(output: Array) -> float:
    """Range of the answers; of a constant output its size, so that a tolerance is never 0."""
    span = float(output.max() - output.min())
    return span or float(np.abs(output).max()) or 1.0
