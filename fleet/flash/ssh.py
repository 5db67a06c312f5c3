"""`ssh://user@host[:port][?root=DIR]`: by the system's own ssh, one connection for everything (docs/adr/0006).

The first command there holds the device for this flash (`fleet/bootstrap/keep.py`), for as long as a byte comes
every ten seconds. It asks nobody anything: a password, for the login or for sudo, comes from a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from firmware_profiles import ssh
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.ssh import LOST, Host
from firmware_profiles.ssh_master import Master
from fleet.flash import scripts, sending
from fleet.flash.road import Facts, Finished, Progress

_CLOSE_LIMIT_S = 5.0
_NO_PYTHON = 127
# What sudo tells before it runs anything; in C's locale.
_REFUSAL = re.compile(r"incorrect password|not in the sudoers file|not allowed to execute|must have a tty")
_ASK = '#!/bin/sh\nexec head -n 1 "$GODWIT_PASSWORD_FILE"\n'


class Ssh:
    """A `road.Road`."""

    def __init__(self, where: str, host: Host, root: str, password_file: Path | None) -> None:
        """Args: `password_file` holds one line."""
        self.where, self.root = where, root
        self._host = host
        self._password_file = password_file
        self._rights = "none"
        self._folder: Path | None = None

    def open(self, owner: str) -> None:
        """See `road.Road`."""
        self._folder = Path(tempfile.mkdtemp(prefix="godwit-ssh-"))
        self._master = Master(self._host, self._folder)
        keep = f"{_python('keep')} {shlex.quote(self.root)} {shlex.quote(owner)}"
        script = f"command -v python3 >/dev/null || exit {_NO_PYTHON}\nexec {keep}"
        batch = [] if self._password_file else ["BatchMode=yes"]
        try:
            with self._master.errors.open("wb") as errors:
                # A session of its own: it must not die of the Ctrl-C after which it is still needed.
                keeper = subprocess.Popen(
                    self._master.line(script, *batch),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self._variables(self._folder),
                    start_new_session=True,
                )
        except FileNotFoundError:
            raise self._unavailable("the program ssh", "none", "install it: the package openssh-client") from None
        self._read_answer(keeper)
        self._master.keep()

    def close(self) -> None:
        """See `road.Road`."""
        if self._folder is None:
            return
        if keeper := self._master.let_go():
            keeper.kill()
            keeper.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def probe(self) -> Facts:
        """See `road.Road`."""
        facts = self._probe(as_root=False)
        self._rights = facts.rights
        if not facts.readable and (facts.rights == "sudo" or (facts.rights == "password" and self._password_file)):
            whole = self._probe(as_root=True)
            facts = msgspec.structs.replace(whole, rights=facts.rights, writable=facts.writable)
        return facts

    def put(self, folder: Path, progress: Progress) -> str:
        """See `road.Road`."""
        files = sending.listed(folder)
        name = f"godwit-flash-{hashlib.sha256(self.root.encode()).hexdigest()[:8]}"
        line = self._master.sharing(f"{_python('receive')} {name}-$(id -u)")
        try:
            with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
                try:
                    return sending.send(process, folder, files, progress)
                finally:
                    process.kill()
        except sending.BrokenError as error:
            raise self._lost(str(error)) from None
        except sending.RefusedError as error:
            raise self._unavailable("room for what is sent", str(error), "free some space there, then again") from None

    def run(self, arguments: Sequence[str], as_root: bool) -> Finished:
        """See `road.Road`."""
        command = shlex.join(arguments)
        given = b""
        if as_root and self._rights == "password" and self._password_file:
            command = f"LC_ALL=C sudo -S -p '' -- {command}"
            given = _first_line(self._password_file) + b"\n"
        elif as_root and self._rights == "sudo":
            command = f"sudo -n -- {command}"
        ran = subprocess.run(self._master.sharing(command), input=given, capture_output=True, check=False)
        told = ran.stderr.decode(errors="replace")
        if ran.returncode == LOST:
            raise self._lost(ssh.last(told))
        if given and ran.returncode != 0 and (refusal := _REFUSAL.search(told)):
            step = "correct the file of --password-file, or log in as a user who may use sudo"
            raise self._unavailable("a user and a password that sudo takes", refusal[0], step)
        return Finished(ran.returncode, ran.stdout, told)

    def _probe(self, as_root: bool) -> Facts:
        ran = self.run(["python3", "-c", scripts.script("probe"), self.root], as_root)
        try:
            return msgspec.json.decode(ran.stdout, type=Facts)
        except msgspec.DecodeError:
            step = "type there: python3 --version"
            raise self._unavailable("a Python 3.10 or newer that works", ssh.last(ran.stderr), step) from None

    def _read_answer(self, keeper: subprocess.Popen[bytes]) -> None:
        """The device is held, or nothing of this connection stays."""
        line = self._master.answer(keeper)
        answer: dict[str, Any] = json.loads(line) if line and line.startswith(b"{") else {}
        if answer.get("held"):
            return
        told = self._master.errors.read_text(errors="replace")
        if line == b"":  # else it is still trying
            with contextlib.suppress(subprocess.TimeoutExpired):
                keeper.wait(_CLOSE_LIMIT_S)
        exit_code = keeper.poll()
        self.close()
        if "owner" in answer:
            owner = "".join(letter for letter in str(answer["owner"]) if letter.isprintable())
            raise self._unavailable("a device that nobody else flashes", f"{owner}, who does", "wait for the other one")
        if exit_code == _NO_PYTHON:
            step = "install it there: apt install python3-minimal"
            raise self._unavailable("the program python3", "none", step)
        if "Permission denied" in told and self._password_file:
            raise self._unavailable("a password or key that is taken", ssh.last(told), "check the user and the file")
        raise ssh.refused(self._host, told)

    def _variables(self, folder: Path) -> dict[str, str]:
        if not self._password_file:
            return dict(os.environ)
        ask = folder / "ask"
        ask.write_text(_ASK)
        ask.chmod(0o700)
        variables = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        return {**os.environ, **variables, "GODWIT_PASSWORD_FILE": str(self._password_file.resolve())}

    def _lost(self, told: str) -> UnavailableError:
        step = "check cable and power, then flash again: what arrived is not sent twice"
        return self._unavailable("a link that holds", f"one that broke ({told})", step)

    def _unavailable(self, expected: str, found: str, step: str) -> UnavailableError:
        return UnavailableError(Problem(self.where, expected, found, step))


def _python(name: str) -> str:
    """A command line that runs that script of `fleet/bootstrap`."""
    return f"python3 -c {shlex.quote(scripts.script(name))}"


def _first_line(path: Path) -> bytes:
    return path.read_bytes().split(b"\n", 1)[0]
