"""Starts a worker process. Imports next to nothing: the first worker starts before its supervisor has loaded."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from typing import NamedTuple


class Spawned(NamedTuple):
    """A worker that waits for its `channel.Start`.

    Attributes:
        stream: our end of the channel.
        doing: descriptor of the memory in which it tells what it is at.
        started_s: by the monotonic clock.
    """

    process: subprocess.Popen[bytes]
    stream: socket.socket
    doing: int
    started_s: float


def spawn() -> Spawned:
    """Start a worker. Our standard input is its own too, for sources that read it."""
    ours, theirs = socket.socketpair()
    doing = os.memfd_create("godwit-doing", os.MFD_CLOEXEC)
    descriptors = [theirs.fileno(), doing]
    command = [sys.executable, "-m", "edge_agent.worker", *map(str, descriptors)]
    with theirs:
        # Its working folder is on its module path: "/" holds no modules of anybody's.
        process = subprocess.Popen(command, pass_fds=descriptors, cwd="/")
    return Spawned(process, ours, doing, time.monotonic())
