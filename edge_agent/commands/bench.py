"""`edge-agent bench`: this device's own figures, for each runtime that a bundle claims.

Each runtime has a process of its own, one after the other: its memory is then its own, and one that crashes
takes no other down.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec

from edge_agent.deployment import Deployment, unpacked
from edge_agent.measuring import Figures
from edge_agent.monitor import machine
from edge_agent.monitor.readings import Monitor, Places
from firmware_profiles import errors
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.evaluation import Machine
from firmware_profiles.manifest import Model, RuntimeClaim

_DEADLINE_S = 900.0


class Row(msgspec.Struct, frozen=True):
    """One model on one runtime.

    Attributes:
        figures: None where the runtime could not be used; `problem` says why.
        temperature_before_c, temperature_after_c: None where no sensor tells it.
        throttled: what slowed the device down at the end, as in `wire.Telemetry`.
    """

    model: str
    runtime: str
    delegate: str
    figures: Figures | None
    problem: str
    temperature_before_c: float | None
    temperature_after_c: float | None
    throttled: list[str]


class Bench(msgspec.Struct, frozen=True):
    """What `bench --json` prints."""

    bundle_sha256: str
    threads: int
    machine: Machine
    rows: list[Row]


def main(arguments: argparse.Namespace) -> int:
    """Print a `Bench`, as JSON or as a table; exit code 4 where no runtime could be used."""
    with ExitStack() as stack:
        deployment = stack.enter_context(unpacked(arguments.bundle))
        monitor = Monitor(deployment.manifest.sensors, Places(Path.cwd()))
        claims = [(model, claim) for model in deployment.manifest.models for claim in model.runtimes]
        rows = []
        for number, (model, claim) in enumerate(claims, 1):
            place = f"{model.name} on {claim.runtime}/{claim.delegate}"
            print(f"{number} of {len(claims)}: {place}, {arguments.runs} runs", file=sys.stderr, flush=True)
            rows.append(_row(deployment, model, claim, arguments.runs, monitor))
    found = Bench(deployment.sha256, deployment.manifest.threads, machine.describe(), rows)
    print(msgspec.json.encode(found).decode() if arguments.json else _table(found))
    if not any(row.figures for row in rows):
        step = "install a runtime that it claims, or convert it for this device"
        raise UnavailableError(Problem(str(arguments.bundle), "a claimed runtime that works here", "none", step))
    return 0


def _row(deployment: Deployment, model: Model, claim: RuntimeClaim, runs: int, monitor: Monitor) -> Row:
    before = monitor.read()
    figures, problem = _measured(deployment, model, claim, runs)
    after = monitor.read()
    return Row(
        model.name,
        claim.runtime,
        claim.delegate,
        figures,
        problem,
        before.temperature_c,
        after.temperature_c,
        after.throttled,
    )


def _measured(deployment: Deployment, model: Model, claim: RuntimeClaim, runs: int) -> tuple[Figures | None, str]:
    """The figures, or why there are none."""
    where = [str(deployment.folder), model.name, claim.runtime, claim.delegate, str(runs)]
    command = [sys.executable, "-m", "edge_agent.measuring", *where]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_DEADLINE_S, check=False)
    except subprocess.TimeoutExpired:
        return None, f"no figures within {_DEADLINE_S:g} s"
    told = done.stderr.decode(errors="replace")
    if done.returncode == 0:
        return msgspec.json.decode(done.stdout, type=Figures), ""
    if error := errors.from_process(done.returncode, told):
        return None, "; ".join(problem.found for problem in error.problems)
    ended = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
    last = (told.strip().splitlines() or ["no word"])[-1]
    return None, f"{ended}: {last[:200]}"


def _table(found: Bench) -> str:
    head = ("model", "runtime", "p50 ms", "p95 ms", "answers/s", "load ms", "memory MB", "nodes", "°C", "throttled")
    lines = [head, *(_cells(row) for row in found.rows if row.figures)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    text += [
        f"{row.model} on {row.runtime}/{row.delegate}: not used: {row.problem}" for row in found.rows if row.problem
    ]
    return "\n".join([*text, f"{found.machine.cpu}, {found.threads} of {found.machine.cores} cores"])


def _cells(row: Row) -> tuple[str, ...]:
    figures = row.figures
    assert figures is not None
    warmed = [
        f"{degrees:.0f}" for degrees in (row.temperature_before_c, row.temperature_after_c) if degrees is not None
    ]
    return (
        row.model,
        f"{row.runtime}/{row.delegate}",
        f"{figures.latency.p50_ms:.3f}",
        f"{figures.latency.p95_ms:.3f}",
        f"{figures.answers_per_s:.0f}",
        f"{figures.load_ms:.1f}",
        f"{figures.peak_rss_bytes / 1e6:.0f}",
        "?" if figures.runtime.nodes is None else f"{figures.runtime.delegated_nodes}/{figures.runtime.nodes}",
        " → ".join(warmed) or "?",
        ", ".join(row.throttled) or "no",
    )
