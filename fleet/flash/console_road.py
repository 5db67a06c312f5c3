"""A login console as a way to a device: commands run in its shell, files come by a receiver that is put there first."""

from __future__ import annotations

import shlex
import tempfile
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.pump import LineLostError
from fleet.flash import bringing, meeting, receiver_zipapp
from fleet.flash.bringing import Progress
from fleet.flash.console import Answer, Console
from fleet.flash.port import Port

_START_S = 20.0
_COMMAND_S = 3600.0
_SHORT = 1000
"""Characters of a command that are typed; a longer one goes there as a file."""


class ConsoleRoad:
    """Open while the block of its port lasts; `console` is at a shell."""

    def __init__(self, port: Port, console: Console, where: str, root: str) -> None:
        self._port = port
        self._console = console
        self._where = where
        name = f"godwit-serial-{sha256(root.encode()).hexdigest()[:8]}"
        make = f"d=/var/tmp/{name}-$(id -u); mkdir -p -m 700 $d && [ -O $d ] && [ ! -h $d ] && echo $d"
        self._there = console.must(make, "a folder of this user's below /var/tmp").output.strip().splitlines()[-1]

    def put(self, folder: Path, progress: Progress) -> str:
        """Bring a folder there, without what came before an interruption; its path there.

        Raises:
            UnavailableError: the line was lost, or the device could not take it.
        """
        receiver = f"{self._there}/{receiver_zipapp.NAME}"
        tell = lambda done, total: progress("sending the receiver", done, total)  # noqa: E731
        self._console.push(receiver_zipapp.zipapp(), receiver, tell)
        cargo = contents.gather(folder, None)
        host = bringing.host_of(cargo)
        self._console.type(f"python3 -I -S {receiver} {self._there}/received 2>/dev/null\r".encode())
        meeting.wait(self._port, host, self._where, _START_S)
        said = bringing.bring(host, self._port, progress)
        ...
        return f"{self._there}/received/files/{contents.KIT}"
