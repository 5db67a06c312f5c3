"""The one evaluator: every figure comes from `edge-agent`, run in a process of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter.candidate import Row
from converter.processes import Processes
from firmware_profiles import errors, manifest
from firmware_profiles.errors import GodwitError, Problem
from firmware_profiles.evaluation import Evaluation, SideBySide
from firmware_profiles.wire import RuntimeInUse

LIMIT_S = 1800.0


class SelfTest(msgspec.Struct, frozen=True):
    """What `edge-agent selftest --json` prints: the model agrees with its golden vectors."""

    runtime: RuntimeInUse
    golden_max_difference: float


class Bundled(NamedTuple):
    """A bundle, and what runs it."""

    bundle: Path
    row: Row


class Agent:
    """Calls `edge-agent`. Every method raises the error that it told, or GodwitError where it crashed."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def tensors(self, model: manifest.Model, data: Path, out: Path, limit: int) -> None:
        """Check `data` against the model and write `out` (.npz: x, t0, y), at most `limit` items."""
        described = out.with_suffix(".model.json")
        described.write_bytes(msgspec.json.encode(model))
        self._run("tensors", described, "--data", data, "--out", out, "--limit", limit)

    def evaluate(
        self, bundle: Path, row: Row, data: Path | None = None, runs: int = 0, outputs: Path | None = None
    ) -> Evaluation:
        """Measure a bundle on one runtime: accuracy where there is data, latency where there are runs."""
        arguments: list[object] = [bundle, *_on(row), "--runs", runs]
        if data:
            arguments += ["--data", data]
        if outputs:
            arguments += ["--outputs", outputs]
        return msgspec.json.decode(self._run("evaluate", *arguments), type=Evaluation)

    def compare(self, first: Bundled, second: Bundled, runs: int) -> SideBySide:
        """Measure the latency of two bundles in turn, in one process."""
        arguments = [first.bundle, second.bundle, "--on", first.row, second.row, "--runs", runs]
        return msgspec.json.decode(self._run("compare", *arguments), type=SideBySide)

    def selftest(self, bundle: Path, row: Row | None = None) -> SelfTest:
        """Compare with the golden vectors on one runtime, or on the first claimed that is here."""
        return msgspec.json.decode(self._run("selftest", bundle, *(_on(row) if row else ())), type=SelfTest)

    def _run(self, command: str, *arguments: object) -> bytes:
        line = [sys.executable, "-m", "edge_agent", command, *map(str, arguments), "--json"]
        finished = self._processes.run(line, LIMIT_S)
        if finished.exit_code == 0:
            return finished.stdout
        told = errors.from_process(finished.exit_code or 1, finished.stderr)
        if told:
            raise told
        last = (finished.stderr.strip().splitlines() or ["no word"])[-1][:200]
        found = f"one that {finished.ending(LIMIT_S)} ({last})"
        raise GodwitError(Problem(f"edge-agent {command}", "an answer from its process", found, "see its message"))


def _on(row: Row) -> tuple[str, ...]:
    return ("--runtime", row.runtime, "--delegate", row.delegate)
