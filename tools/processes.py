"""Start and stop processes so that none is left behind, however this one ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

_STOP_TIMEOUT_S = 10.0


def start(
    argv: Sequence[str | Path], stdout: IO[bytes] | int | None = None, stderr: IO[bytes] | int | None = None
) -> subprocess.Popen[bytes]:
    """Start `argv` in a session of its own, told to end (SIGTERM) when this process dies.

    A session of its own, so that Ctrl-C reaches this process alone and the order of stopping is
    ours.
    """
    return subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", *map(str, argv)],  # noqa: S607  # from util-linux, everywhere on Debian
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )


def run(argv: Sequence[str | Path], stdout: IO[bytes] | None = None, stderr: IO[bytes] | None = None) -> int:
    """Run `argv` to its end, which Ctrl-C here brings early; return its exit status."""
    process = start(argv, stdout, stderr)
    try:
        return process.wait()
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes], signal_number: int = signal.SIGTERM) -> int:
    """Ask `process` to end, wait, then kill what is left of its session; return its exit status."""
    if process.poll() is None:
        process.send_signal(signal_number)
    try:
        return process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
