"""A trial of a staged deployment in a process of its own: what it is asked, what it says, and how it is watched."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent.monitor import machine
from edge_agent.runtime_config import External
from firmware_profiles.errors import Problem
from firmware_profiles.wire import RuntimeInUse

_LOOK_S = 0.05
_OOM_FIRST = "1000"
_MAX_BYTES = 1 << 16


class Trial(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        models: what runs each of them.
        unavailable: why a model cannot be run there.
        p95_ms: of one inference of each, one after the other; 0 where nothing was timed.
        peak_rss_bytes: of the process.
    """

    models: dict[str, RuntimeInUse]
    unavailable: list[str]
    p95_ms: float
    peak_rss_bytes: int


class Ended(NamedTuple):
    """How a trial ended.

    Attributes:
        code: as of `subprocess`.
        said: to be decoded as a `Trial`, where the code is 0.
        told: on standard error.
        cost: what it took too much of, for which it was ended; else None.
    """

    code: int
    said: bytes
    told: str
    cost: Problem | None


def run(folder: Path, external: External | None, place: str, most_bytes: float, deadline_s: float) -> Ended:
    """Try the deployment in `folder`.

    Args:
        external: the device's own delegate.
        place: the runtime and delegate to be tried, as "onnx/cpu"; empty: what a worker would choose.
        most_bytes: of resident memory.
        deadline_s: by the monotonic clock.

    Raises:
        OSError: no process can be started.
    """
    command = [sys.executable, "-m", "edge_agent.ota.trial", str(folder), msgspec.json.encode(external).decode(), place]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=told, cwd="/")
        try:
            cost = _watched(process, most_bytes, deadline_s)
        finally:
            process.kill()
            process.wait()
        for stream in (said, told):
            stream.seek(0)
        return Ended(process.returncode, said.read(_MAX_BYTES), told.read(_MAX_BYTES).decode(errors="replace"), cost)


def _watched(process: subprocess.Popen[bytes], most_bytes: float, deadline_s: float) -> Problem | None:
    """Wait for its end; what it took too much of if it has to be ended."""
    _let_it_be_killed_first(process.pid)
    step = "it is not run; convert it again for this device"
    while True:
        try:
            process.wait(_LOOK_S)
            return None
        except subprocess.TimeoutExpired:
            rss_bytes = machine.rss_bytes(process.pid)
        if rss_bytes > most_bytes:
            return Problem("memory", f"at most {most_bytes / 1e6:g} MB", f"{rss_bytes / 1e6:.0f} MB and more", step)
        if time.monotonic() > deadline_s:
            return Problem("self-test", "an end in time", "none", step)


def _let_it_be_killed_first(pid: int) -> None:
    """Where memory ends all the same, the kernel shall not take the agent that runs."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_FIRST, encoding="ascii")
    except OSError:
        return  # it is gone already, or this kernel does not let us
