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
import select
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from firmware_profiles import ssh
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.ssh import CONNECT_S, LOST, Host
from fleet.flash import scripts, sending
from fleet.flash.road import Facts, Finished, Progress

_OPEN_LIMIT_S = 3.0 * CONNECT_S
_CLOSE_LIMIT_S = 5.0
_BEAT_S = 10.0
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
        self._keeper: subprocess.Popen[bytes] | None = None
        self._closing = threading.Event()

    def open(self, owner: str) -> None:
        """See `road.Road`."""
        self._folder = Path(tempfile.mkdtemp(prefix="godwit-ssh-"))
        keep = f"{_python('keep')} {shlex.quote(self.root)} {shlex.quote(owner)}"
        script = f"command -v python3 >/dev/null || exit {_NO_PYTHON}\nexec {keep}"
        line = ["ssh", *self._options(), "-M", "-S", self._socket, *self._host.destination, ssh.shell(script)]
        try:
            with self._errors.open("wb") as errors:
                # A session of its own: it must not die of the Ctrl-C after which it is still needed.
                self._keeper = subprocess.Popen(
                    line,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    env=self._variables(),
                    start_new_session=True,
                )
        except FileNotFoundError:
            raise self._unavailable("the program ssh", "none", "install it: the package openssh-client") from None
        self._read_answer(self._keeper)
        self._closing.clear()
        threading.Thread(target=self._beat, args=(self._keeper,), name="keeper", daemon=True).start()

    def close(self) -> None:
        """See `road.Road`."""
        self._closing.set()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        assert keeper.stdin is not None
        with contextlib.suppress(OSError):
            keeper.stdin.close()
        try:
            keeper.wait(_CLOSE_LIMIT_S)
        except subprocess.TimeoutExpired:
            keeper.kill()
            keeper.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

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
        command = f"{_python('receive')} {name}-$(id -u)"
        try:
            with subprocess.Popen(self._line(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
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
        ran = subprocess.run(self._line(command), input=given, capture_output=True, check=False)
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
        assert keeper.stdout is not None
        ready, _, _ = select.select([keeper.stdout], [], [], _OPEN_LIMIT_S)
        line = keeper.stdout.readline() if ready else b""
        answer: dict[str, Any] = json.loads(line) if line.startswith(b"{") else {}
        if answer.get("held"):
            return
        told = self._errors.read_text(errors="replace")
        if not line and ready:  # else it is still trying
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

    def _beat(self, keeper: subprocess.Popen[bytes]) -> None:
        assert keeper.stdin is not None
        while not self._closing.wait(_BEAT_S):
            try:
                keeper.stdin.write(b".")
                keeper.stdin.flush()
            except (OSError, ValueError):  # gone, or closed
                return

    def _line(self, command: str) -> list[str]:
        # Without the connection that it shares, ssh would make one of its own; it gets no way to.
        options = ssh.options("BatchMode=yes", "ProxyCommand=false")
        return ["ssh", *options, "-S", self._socket, *self._host.destination, ssh.shell(command)]

    def _options(self) -> list[str]:
        return ssh.options() if self._password_file else ssh.options("BatchMode=yes")

    def _variables(self) -> dict[str, str]:
        if not self._password_file:
            return dict(os.environ)
        ask = self._folder / "ask"
        ask.write_text(_ASK)
        ask.chmod(0o700)
        variables = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force"}
        return {**os.environ, **variables, "GODWIT_PASSWORD_FILE": str(self._password_file.resolve())}

    @property
    def _socket(self) -> str:
        return str(self._folder / "ssh")

    @property
    def _errors(self) -> Path:
        return self._folder / "ssh.err"

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
