"""One connection of `ssh` that many commands share, and the first command there, which holds it.

Whoever holds something on a device for us (a lock, a folder) ends when its input does or falls silent; so nothing stays
there however this process ends, and however the link does.
"""

from __future__ import annotations

import contextlib
import select
import subprocess
import threading
from pathlib import Path

from firmware_profiles import ssh
from firmware_profiles.ssh import CONNECT_S, Host

BEAT_S = 10.0
_OPEN_LIMIT_S = 3.0 * CONNECT_S
_CLOSE_LIMIT_S = 5.0


class Master:
    """Start `line` with pipes and give the process to `answer`, then `keep` it; `let_go` at the end, whatever happened.

    Attributes:
        errors: the file for its stderr.
    """

    def __init__(self, host: Host, folder: Path) -> None:
        """Args: `folder` for the control socket, whose path may have at most some 80 characters."""
        self.errors = folder / "ssh.err"
        self._host = host
        self._socket = str(folder / "ssh")
        self._closing = threading.Event()
        self._keeper: subprocess.Popen[bytes] | None = None

    def line(self, script: str, *options: str) -> list[str]:
        """What connects, and runs the first command."""
        return ["ssh", *ssh.options(*options), "-M", "-S", self._socket, *self._host.destination, ssh.shell(script)]

    def sharing(self, script: str) -> list[str]:
        """What runs another command over the same connection."""
        # Without the connection that it shares, ssh would make one of its own; it gets no way to.
        options = ssh.options("BatchMode=yes", "ProxyCommand=false")
        return ["ssh", *options, "-S", self._socket, *self._host.destination, ssh.shell(script)]

    def answer(self, keeper: subprocess.Popen[bytes]) -> bytes | None:
        """The first line that it says; empty where it ended without one, None where it is still trying."""
        self._keeper = keeper
        assert keeper.stdout is not None
        ready, _, _ = select.select([keeper.stdout], [], [], _OPEN_LIMIT_S)
        return keeper.stdout.readline() if ready else None

    def keep(self) -> None:
        """Tell it from now on that somebody is there."""
        assert self._keeper is not None, "it answered"
        self._closing.clear()
        threading.Thread(target=self._beat, args=(self._keeper,), name="keeper", daemon=True).start()

    def let_go(self) -> subprocess.Popen[bytes] | None:
        """Have it end, for some seconds; the process, to be killed if it did not. None if there is none any more."""
        self._closing.set()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            assert keeper.stdin is not None
            with contextlib.suppress(OSError):
                keeper.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                keeper.wait(_CLOSE_LIMIT_S)
        return keeper

    def _beat(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdin is not None
        while not self._closing.wait(BEAT_S):
            try:
                keeper.stdin.write(b".")
                keeper.stdin.flush()
            except (OSError, ValueError):  # gone, or closed
                return
