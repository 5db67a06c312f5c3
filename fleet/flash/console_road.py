"""A login console as a way to a device: commands run in its shell, files come by a receiver that is put there first."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError, from_process
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.said import Said
from fleet.flash import bringing, meeting, receiver_zipapp
from fleet.flash.bringing import Progress
from fleet.flash.console import Console
from fleet.flash.port import Port

_START_S = 20.0
_COMMAND_S = 3600.0


class ConsoleRoad:
    """Open while the block of its port lasts; `console` is at a shell."""

    def __init__(self, port: Port, console: Console, where: str, root: str) -> None:
        """
        Raises:
            UnavailableError: there is no Python, or no room for files.
        """
        self._port = port
        self._console = console
        self._where = where
        console.must("command -v python3 >/dev/null", "the program python3 on the device")
        name = f"godwit-serial-{sha256(root.encode()).hexdigest()[:8]}"
        make = f"d=/var/tmp/{name}-$(id -u); mkdir -p -m 700 $d && [ -O $d ] && [ ! -h $d ] && echo $d"
        self._there = console.must(make, "a folder of this user's below /var/tmp").output.strip().splitlines()[-1]

    def put(self, folder: Path, progress: Progress) -> str:
        """Bring a folder there, without what came before an interruption; its path there.

        Raises:
            UnavailableError: the line was lost, or the device could not take it.
        """
        receiver = f"{self._there}/{receiver_zipapp.NAME}"
        content = receiver_zipapp.zipapp()
        self._console.push(content, receiver, lambda done, total: progress("sending the receiver", done, total))
        host = bringing.host_of(contents.gather(folder, None))
        self._console.start(f"python3 -I -S {receiver} {self._there}/received 2>/dev/null")
        meeting.wait(self._port, host, self._where, _START_S)
        said = bringing.bring(host, self._port, progress)
        if told := from_process(said.exit_code, said.stderr):
            raise told
        self._console.wait(_START_S)
        self._console.must("stty -echo", "the shell again")
        return f"{self._there}/received/files/{contents.KIT}"

    def clear(self) -> None:
        """Remove what was brought; what is not brought whole should stay, since it need not be sent again."""
        self._console.run(f"rm -rf {self._there}")

    def run(self, arguments: Sequence[str], before: str = "") -> Said:
        """Run a command there, once.

        Args:
            before: such as "sudo -n ".

        Raises:
            UnavailableError: it does not end within an hour, or what it printed does not arrive.
        """
        script, out, err = (f"{self._there}/{name}" for name in ("command.sh", "out", "err"))
        self._console.push(f"{shlex.join(arguments)}\n".encode(), script, lambda done, total: None)
        answer = self._console.run(f"{before}sh {script} </dev/null >{out} 2>{err}", _COMMAND_S)
        if answer is None:
            step = "look at the device, and flash again"
            raise UnavailableError(Problem(self._where, "a command that ends", "no answer for an hour", step))
        stdout, stderr = (self._console.fetch(path).decode(errors="replace") for path in (out, err))
        self._console.run(f"rm -f {script} {out} {err}")
        return Said(answer.exit_code, stdout, stderr)
