"""`python -m edge_agent.ota.trial FOLDER EXTERNAL PLACE`: can this device run the deployment in FOLDER?

Does what a worker does before it opens its sources: verifies every hash, loads every model on the first claimed
runtime that gives its golden answers. Then it times them, against the limits. Where PLACE is given, as "onnx/cpu",
only what claims that runtime and delegate is loaded, there, and nothing is timed. EXTERNAL is the device's own
delegate as JSON, or null. Prints a `trying.Trial`; an error is told as by any command.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from edge_agent import timing
from edge_agent.deployment import Deployment, read_slot
from edge_agent.monitor import machine
from edge_agent.ota.trying import Trial
from edge_agent.pipeline import Pipeline, checked_model, choose, proved
from edge_agent.runtime_config import External
from edge_agent.runtimes.base import Opening
from firmware_profiles.errors import Problem, RefusedError, UnavailableError, guarded
from firmware_profiles.wire import RuntimeInUse

_RUNS = 40
_TRIES = 3
"""The old worker answers beside us: a slow minute is not the new model's fault."""


def examine(folder: Path, external: External | None) -> Trial:
    """Try the deployment in `folder`, in this process.

    Raises:
        GodwitError: a file was changed, a model gives other answers or cannot be loaded, or a limit is exceeded.
    """
    deployment = read_slot(folder)
    deployment.verify()
    manifest, limits = deployment.manifest, deployment.manifest.limits
    opening = Opening(manifest.threads, external=external)
    pipelines = {
        model.name: choose(deployment, checked_model(model), (), opening).pipeline for model in manifest.models
    }
    p95_ms = _p95_ms(list(pipelines.values()), limits.p95_ms)
    found = Trial({name: each.in_use for name, each in pipelines.items()}, [], p95_ms, machine.peak_rss_bytes())
    _check(deployment, found)
    return found


def examine_at(place: str, folder: Path, external: External | None) -> Trial:
    """Try what claims the runtime and delegate `place` of a deployment whose hashes were verified.

    Raises:
        GodwitError: it gives other answers there.
    """
    deployment = read_slot(folder)
    opening = Opening(deployment.manifest.threads, external=external)
    models: dict[str, RuntimeInUse] = {}
    unavailable = []
    for model in deployment.manifest.models:
        for claim in model.runtimes:
            if f"{claim.runtime}/{claim.delegate}" == place:
                try:
                    models[model.name] = proved(deployment, model, claim, opening).pipeline.in_use
                except UnavailableError as error:
                    unavailable += [f"{problem.where}: {problem.found}" for problem in error.problems]
    return Trial(models, unavailable, 0.0, machine.peak_rss_bytes())


def _p95_ms(pipelines: list[Pipeline], limit_ms: float) -> float:
    """The best of a few tries; the first that is within the limit is enough."""
    best_ms = float("inf")
    for _ in range(_TRIES):
        best_ms = min(best_ms, sum(each.p95_ms for each in timing.interleaved(pipelines, _RUNS)))
        if best_ms <= limit_ms:
            break
    return best_ms


def _check(deployment: Deployment, found: Trial) -> None:
    limits, step = deployment.manifest.limits, "it is not run; convert it again for this device"
    problems = []
    if found.p95_ms > limits.p95_ms:
        problems.append(Problem("latency", f"p95 within {limits.p95_ms:g} ms", f"{found.p95_ms:.3g} ms", step))
    if found.peak_rss_bytes > limits.peak_rss_mb * 1e6:
        peak_mb = f"{found.peak_rss_bytes / 1e6:.0f} MB"
        problems.append(Problem("memory", f"at most {limits.peak_rss_mb:g} MB", peak_mb, step))
    if problems:
        raise RefusedError(*problems)


def main() -> int:
    """Examine what the command line names, and print it."""
    folder, own, place = sys.argv[1:]
    external = msgspec.json.decode(own, type=External | None)
    said = os.dup(1)
    os.dup2(2, 1)  # runtimes print what they like
    found = examine_at(place, Path(folder), external) if place else examine(Path(folder), external)
    os.write(said, msgspec.json.encode(found))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
