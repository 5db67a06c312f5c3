"""Starts a worker process. Imports next to nothing: the first worker starts before its supervisor has loaded."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from typing import NamedTuple


class Spawned(NamedTuple):
    """A worker that waits for its `channel.Start`.

    Attributes:
        stream: our end of the channel.
        started_s: by the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    stream: socket.socket
    started_s: float


def spawn() -> Spawned:
    """Start a worker. Our standard input is its own too, for sources that read it."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "edge_agent.worker", str(theirs.fileno())]
    with theirs:
        # Its working folder is on its module path: "/" holds no modules of anybody's.
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], cwd="/")
    return Spawned(process, ours, time.monotonic())
