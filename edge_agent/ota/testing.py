"""The self-test of a staged deployment, in processes of their own: the one that runs now must not suffer from it.

First what a worker would choose, on its golden vectors and within the limits. Then, one process each, every other
runtime that the deployment claims, to which the agent would fall back when workers die: on its golden vectors.

- One that is not here is named, and that is all: the profile lists what some devices of a kind have.
- One that gives other answers or crashes speaks against the whole deployment. It is promised to give them, so this
  device is not what it was proved for. A worker that starts passes it over, having nothing better; here there is
  something better, the deployment that runs, and nobody waits for an answer.
- What one of these costs is only told. Limits hold for what is chosen, and a slow answer is better than none.

New code of the agent brings runtimes of its own, so it does the same with the deployment that runs: `python -m
edge_agent.ota.testing FOLDER EXTERNAL` prints what `check` returns. Code of any age may be started by that of another.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from edge_agent.deployment import read_slot
from edge_agent.monitor import machine
from edge_agent.ota import trying
from edge_agent.ota.trying import Ended, Trial
from edge_agent.runtime_config import External
from firmware_profiles import errors
from firmware_profiles.errors import GodwitError, Problem, RefusedError
from firmware_profiles.manifest import Manifest
from firmware_profiles.wire import RuntimeInUse

PASSED = "passed"
_DEADLINE_S = 1800.0
"""For all together. TensorRT builds an engine for ten minutes, on a board that is busy for longer."""
_STEP = "it is not run; convert it again for this device"
_MAX_WHY = 200
_MAX_BYTES = 1 << 16

T = TypeVar("T")


def check(folder: Path, external: External | None) -> dict[str, str]:
    """Try the deployment in `folder`.

    Returns:
        By "runtime/delegate", the first one first: `PASSED`, or why nothing will run there.

    Raises:
        GodwitError: it cannot run here, gives other answers than its golden ones, or costs more than it may.
        OSError: no process can be started.
    """
    manifest = read_slot(folder).manifest
    _check_memory(manifest)
    most_bytes, deadline_s = manifest.limits.peak_rss_mb * 1e6, time.monotonic() + _DEADLINE_S
    first = trying.run(folder, external, "", most_bytes, deadline_s)
    if first.cost:
        raise RefusedError(first.cost)
    chosen = _decoded(first, "self-test", Trial).models
    tested = {f"{each.runtime}/{each.delegate}": PASSED for each in chosen.values()}
    for place in _others(manifest, chosen):
        ended = trying.run(folder, external, place, most_bytes, deadline_s)
        tested[place] = _cost(ended) or _why_not(_decoded(ended, f"self-test on {place}", Trial))
    return tested


def check_code(environment: Mapping[str, str], folder: Path, external: External | None) -> dict[str, str]:
    """As `check`, by another agent's code, which processes with `environment` run.

    Returns:
        Nothing where the deployment does not pass with the code that runs now, either: that is no fault of the other's.

    Raises:
        GodwitError: it does not pass with that code alone.
        OSError: no process can be started.
    """
    command = [sys.executable, "-m", "edge_agent.ota.testing", str(folder), msgspec.json.encode(external).decode()]
    with tempfile.TemporaryFile() as told:
        done = subprocess.run(command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=told, check=False)
        told.seek(0)
        ended = Ended(done.returncode, done.stdout, told.read(_MAX_BYTES).decode(errors="replace"), None)
    try:
        return _decoded(ended, "self-test with the new code", dict[str, str])
    except GodwitError as error:
        try:
            check(folder, external)
        except GodwitError:
            return {}
        raise error


def _check_memory(manifest: Manifest) -> None:
    needed_bytes = sum(model.memory_mb for model in manifest.models) * 1e6
    there_bytes = machine.memory_bytes()
    if needed_bytes > there_bytes:
        expected, found = f"{needed_bytes / 1e6:.0f} MB of memory", f"{there_bytes / 1e6:.0f} MB in this machine"
        raise RefusedError(Problem("memory", expected, found, "convert a smaller model for this device"))


def _others(manifest: Manifest, chosen: Mapping[str, RuntimeInUse]) -> Iterator[str]:
    """Where models may be moved to, in the order of their claims."""
    claims = {
        f"{claim.runtime}/{claim.delegate}": None
        for model in manifest.models
        for claim in model.runtimes
        if (claim.runtime, claim.delegate) != (chosen[model.name].runtime, chosen[model.name].delegate)
    }
    return iter(claims)


def _decoded(ended: Ended, where: str, kind: type[T]) -> T:
    """What a process found.

    Raises:
        GodwitError: it did not end well.
    """
    if error := errors.from_process(ended.code, ended.told):
        raise error
    try:
        if ended.code == 0:
            return msgspec.json.decode(ended.said, type=kind)
    except ValueError:  # msgspec's errors are
        pass
    raise RefusedError(Problem(where, "an end of its own", _end(ended), _STEP))


def _cost(ended: Ended) -> str:
    """What was too much of it; empty where nothing was."""
    if ended.cost:
        return f"{ended.cost.expected}: {ended.cost.found}"
    return f"memory: {_end(ended)}" if ended.code == -signal.SIGKILL else ""  # by the kernel, which had none left


def _why_not(found: Trial) -> str:
    return "; ".join(found.unavailable)[:_MAX_WHY] or PASSED


def _end(ended: Ended) -> str:
    if ended.code < 0:
        return f"ended by {signal.Signals(-ended.code).name}"
    last = (ended.told.strip().splitlines() or ["no word"])[-1][:_MAX_WHY]
    return f"exit code {ended.code}: {last}"


def main() -> int:
    """Check what the command line names, and print what was tested."""
    folder, own = sys.argv[1:]
    print(msgspec.json.encode(check(Path(folder), msgspec.json.decode(own, type=External | None))).decode())
    return 0


if __name__ == "__main__":
    sys.exit(errors.guarded(main))
