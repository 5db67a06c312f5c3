"""The self-test of a staged deployment in a process of its own: the one that runs now must not suffer from it."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from edge_agent.deployment import read_slot
from edge_agent.monitor import machine
from edge_agent.runtime_config import External
from firmware_profiles import errors
from firmware_profiles.errors import GodwitError, Problem, RefusedError

_DEADLINE_S = 1800.0
"""TensorRT builds an engine for ten minutes, on a board that is busy for longer."""
_LOOK_S = 0.05
_OOM_FIRST = "1000"


def check(folder: Path, external: External | None) -> None:
    """Try the deployment in `folder`.

    Raises:
        GodwitError: it cannot run here, gives other answers than its golden ones, or costs more than it may.
        OSError: no process can be started.
    """
    manifest = read_slot(folder).manifest
    needed_bytes = sum(model.memory_mb for model in manifest.models) * 1e6
    there_bytes = machine.memory_bytes()
    if needed_bytes > there_bytes:
        expected, found = f"{needed_bytes / 1e6:.0f} MB of memory", f"{there_bytes / 1e6:.0f} MB in this machine"
        raise RefusedError(Problem("memory", expected, found, "convert a smaller model for this device"))
    with tempfile.TemporaryFile() as told:
        command = [sys.executable, "-m", "edge_agent.ota.trial", str(folder), msgspec.json.encode(external).decode()]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=told, cwd="/")
        try:
            ended_by = _watched(process, manifest.limits.peak_rss_mb * 1e6)
        finally:
            process.kill()
            process.wait()
        if process.returncode:
            told.seek(0)
            raise ended_by or _error(process.returncode, told.read(1 << 16).decode(errors="replace"))


def _watched(process: subprocess.Popen[bytes], most_bytes: float) -> RefusedError | None:
    """Wait for its end; the error if it had to be ended."""
    _let_it_be_killed_first(process.pid)
    deadline_s = time.monotonic() + _DEADLINE_S
    while True:
        try:
            process.wait(_LOOK_S)
            return None
        except subprocess.TimeoutExpired:
            rss_bytes = machine.rss_bytes(process.pid)
        if rss_bytes > most_bytes:
            found = f"{rss_bytes / 1e6:.0f} MB and more"
            return _refused("memory", f"at most {most_bytes / 1e6:g} MB", found)
        if time.monotonic() > deadline_s:
            return _refused("self-test", f"an end within {_DEADLINE_S:g} s", "none")


def _let_it_be_killed_first(pid: int) -> None:
    """Where memory ends all the same, the kernel shall not take the agent that runs."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_FIRST, encoding="ascii")
    except OSError:
        return  # it is gone already, or this kernel does not let us


def _error(code: int, told: str) -> GodwitError:
    if error := errors.from_process(code, told):
        return error
    last = (told.strip().splitlines() or ["no word"])[-1][:200]
    ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}: {last}"
    return _refused("self-test", "an end of its own", ended)


def _refused(where: str, expected: str, found: str) -> RefusedError:
    return RefusedError(Problem(where, expected, found, "it is not run; convert it again for this device"))
