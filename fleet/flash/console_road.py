"""A login console as a road: commands run in its shell, files come by a receiver that is put there first."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import msgspec

from firmware_profiles.errors import Problem, UnavailableError, from_process
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.pump import LineLostError
from fleet.flash import bringing, meeting, receiver_zipapp, scripts
from fleet.flash.console import Console, Login
from fleet.flash.port import Port
from fleet.flash.road import Facts, Finished, Progress
from fleet.flash.serial_target import SerialTarget

_START_S = 20.0
_COMMAND_S = 3600.0


class ConsoleRoad:
    """A `road.Road`; the line is held by whoever has its port open."""

    def __init__(self, port: Port, target: SerialTarget, login: Login) -> None:
        """Args: `port` is open."""
        self.where, self.root = target.url, target.root
        self._port = port
        self._console = Console(port.line, target.url)
        self._login = login
        self._rights = "none"
        self._logged_in = False
        self._there = ""
        self._under_way = False

    def open(self, owner: str) -> None:
        """See `road.Road`."""
        self._logged_in = self._console.enter(self._login)
        self._console.must("command -v python3 >/dev/null", "the program python3 on the device")
        name = f"godwit-serial-{sha256(self.root.encode()).hexdigest()[:8]}"
        make = f"d=/var/tmp/{name}-$(id -u); mkdir -p -m 700 $d && [ -O $d ] && [ ! -h $d ] && echo $d"
        self._there = self._console.must(make, "a folder of this user's below /var/tmp").output.splitlines()[-1]

    def close(self) -> None:
        """See `road.Road`. What did not come whole stays there: it need not be sent again."""
        if not self._there:
            return
        with contextlib.suppress(LineLostError, OSError, ValueError):
            if not self._under_way:
                self._console.run(f"rm -rf {self._there}")
            self._console.type(b"exit\r" if self._logged_in else b"stty echo; PS1='$ '; PS2='> '\r")
        self._there = ""

    def probe(self) -> Facts:
        """See `road.Road`."""
        ran = self.run(["python3", "-c", scripts.script("probe"), self.root], as_root=False)
        try:
            facts = msgspec.json.decode(ran.stdout, type=Facts)
        except msgspec.DecodeError:
            last = (ran.stderr.strip().splitlines() or ["no word"])[-1]
            step = "type there: python3 --version"
            raise UnavailableError(Problem(self.where, "a Python 3.10 or newer that works", last, step)) from None
        self._rights = facts.rights
        return facts

    def put(self, folder: Path, progress: Progress) -> str:
        """See `road.Road`."""
        self._under_way = True
        receiver = f"{self._there}/{receiver_zipapp.NAME}"
        self._console.push(receiver_zipapp.zipapp(), receiver, progress)
        host = bringing.host_of(contents.gather(folder, None))
        self._console.start(f"python3 -I -S {receiver} {self._there}/received 2>/dev/null")
        meeting.wait(self._port, host, self.where, _START_S)
        said = bringing.bring(host, self._port, lambda _, done, total: progress(done, total))
        if told := from_process(said.exit_code, said.stderr):
            raise told
        self._under_way = False
        self._console.wait(_START_S)
        self._console.must("stty -echo", "the shell again")
        return f"{self._there}/received/files/{contents.KIT}"

    def run(self, arguments: Sequence[str], as_root: bool) -> Finished:
        """See `road.Road`."""
        script, out, err = (f"{self._there}/{name}" for name in ("command.sh", "out", "err"))
        self._console.push(f"{shlex.join(arguments)}\n".encode(), script, lambda *_: None)
        answer = self._console.run(f"{self._as(as_root)}sh {script} >{out} 2>{err}{self._given(as_root)}", _COMMAND_S)
        if answer is None:
            step = "look at the device, and flash again"
            raise UnavailableError(Problem(self.where, "a command that ends", "no answer for an hour", step))
        stdout, stderr = self._console.fetch(out), self._console.fetch(err).decode(errors="replace")
        self._console.run(f"rm -f {script} {out} {err}")
        return Finished(answer.exit_code, stdout, stderr)

    def _as(self, root: bool) -> str:
        if not root or self._rights == "root":
            return ""
        return "sudo -n -- " if self._rights == "sudo" else "sudo -S -p '' -- "

    def _given(self, as_root: bool) -> str:
        """Standard input: sudo's password, where it wants one. The shell keeps no history (`Console.enter`)."""
        if as_root and self._rights == "password":
            return f" <<'.'\r{self._login.password()}\r."
        return " </dev/null"
