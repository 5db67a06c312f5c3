"""One SSH connection to a device, a temporary folder there, and commands that run in it.

The system's own `ssh` does it, so that whatever works at the prompt works here: the user's
configuration, agent, keys, jump hosts and known hosts. It asks nothing, and takes no unknown host.

A shell on the device, the keeper, makes the folder and removes it when its input ends or falls silent:
so nothing stays there however this process ends, and however the link does.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from converter.device.url import DeviceUrl
from converter.processes import Finished, Processes
from firmware_profiles import ssh
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.ssh import LOST
from firmware_profiles.ssh_master import Master

_SEND_LIMIT_S = 600.0
_SILENCE_S = 60
_GRACE_S = 30.0
_TIME_IS_UP = 124

_KEEPER = f"""\
umask 077
d=$(mktemp -d "${{TMPDIR:-/tmp}}/godwit-measure-XXXXXX") || exit 1
end() {{ cd /; kill $(cat "$d/pid" 2>/dev/null) 2>/dev/null; rm -rf "$d" || {{ sleep 1; rm -rf "$d"; }}; }}
trap end EXIT
trap 'exit 1' HUP INT TERM
echo "$d"
while [ -n "$(timeout {_SILENCE_S} head -c 1)" ]; do :; done"""


class LostError(Exception):
    """The link broke; the text says what ssh told."""


class Link:
    """Use `open`, then `close`, which never fails; it can be opened again."""

    def __init__(self, url: DeviceUrl, processes: Processes, folder: Path) -> None:
        """Args: `folder` for the control socket, whose path may have at most some 80 characters."""
        self._url = url
        self._processes = processes
        self._master = Master(url.at, folder)
        self._there = ""

    def open(self) -> None:
        """Connect, and make the folder.

        Raises:
            UnavailableError: there is no ssh, no answer, no key that is taken, or the host is unknown.
        """
        line = self._master.line(_KEEPER, "BatchMode=yes")
        try:
            with self._master.errors.open("wb") as errors:
                keeper = self._processes.start(line, subprocess.PIPE, errors)
        except FileNotFoundError:
            step = "install it: the package openssh-client"
            raise UnavailableError(Problem(f"ssh://{self._url.at.host}", "the program ssh", "none", step)) from None
        self._there = (self._master.answer(keeper) or b"").decode().strip()
        if not self._there:
            self.close()
            raise ssh.refused(self._url.at, self._master.errors.read_text(errors="replace"))
        self._master.keep()

    def close(self) -> None:
        """Remove the folder and disconnect, within seconds; a device that cannot be reached does it by itself."""
        if keeper := self._master.let_go():
            self._processes.kill(keeper)

    def send(self, file: Path, name: str) -> None:
        """Copy a file into the folder there.

        Raises:
            LostError: the link broke.
            UnavailableError: the device could not take it.
        """
        with file.open("rb") as content:
            finished = self._run(f"cat > {shlex.quote(name)}", _SEND_LIMIT_S, content.fileno())
        if finished.exit_code != 0:
            found = (finished.stderr.strip().splitlines() or [finished.ending(_SEND_LIMIT_S)])[-1]
            step = "free some space there, or set TMPDIR for ssh"
            raise UnavailableError(Problem(self._url.at.host, f"a folder that takes {name}", found[:200], step))

    def run(self, arguments: Sequence[str], limit_s: float) -> Finished:
        """Run a command in the folder; its temporary files go there too.

        Raises:
            LostError: the link broke.
        """
        command = f"TMPDIR={shlex.quote(self._there)} timeout -k 5 {limit_s:.0f} {shlex.join(arguments)}"
        script = f"{command} & echo $! > pid; wait $!; code=$?; rm -f pid; exit $code"
        return self._run(script, limit_s + _GRACE_S, subprocess.DEVNULL)

    def _run(self, script: str, limit_s: float, stdin: int) -> Finished:
        line = self._master.sharing(f"cd {shlex.quote(self._there)} || exit {LOST}\n{script}")
        finished = self._processes.run(line, limit_s, stdin=stdin)
        if finished.exit_code in (LOST, None):
            told = finished.stderr.strip().splitlines() or self._master.errors.read_text(errors="replace").splitlines()
            raise LostError((told or ["no word for too long"])[-1].strip()[:200])
        return finished._replace(exit_code=_local(finished.exit_code))


def _local(exit_code: int | None) -> int | None:
    """As of a process here: None where `timeout` ended it, negative for a signal, which a shell adds to 128."""
    if exit_code is None or exit_code == _TIME_IS_UP:
        return None
    return 128 - exit_code if exit_code > 128 else exit_code
