"""A login console on a serial line: log in, run commands, push and fetch files.

A POSIX shell with coreutils or busybox is all that is needed there. What it prints is searched for marks
that its echo of what was typed does not hold.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import select
import shlex
import time
from collections.abc import Callable
from typing import NamedTuple

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.pump import Line, read, write

_BLOCK_BYTES = 2048
"""Of a file in one command: as base64 less than the 4095 characters that a terminal keeps unread."""
_TRIES = 20
_ANSWER_S = 10.0
_LOGIN_S = 20.0
_QUIET_S = 0.7
_LOOK_S = 5.0
_KEPT = 1 << 18
_INTERRUPT = b"\x03\x15\r"  # Ctrl-C, Ctrl-U, Return
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
_LATE = re.compile(r"\A\s*(godwit:\d+:\d{1,3}:\s*)+")
"""What is left of commands before: each ends with its mark twice."""
_NO_HISTORY = "unset HISTFILE; stty -echo; PS1=; PS2="


class Login(NamedTuple):
    """Who logs in, empty for nobody; the password is asked for only where the console does."""

    user: str
    password: Callable[[], str]


class Answer(NamedTuple):
    """Of a command line."""

    exit_code: int
    output: str


class Console:
    """The host's end of one; `where` names it in errors."""

    def __init__(self, line: Line, where: str) -> None:
        self._line = line
        self._where = where
        self._number = 0

    def enter(self, login: Login) -> bool:
        """Get to a shell; whether somebody had to log in for it.

        Raises:
            UnavailableError: there is a login prompt and nobody to log in, or it is refused, or there is no shell.
        """
        self.type(b"\x15\r")
        prompt = self._last_line()
        if prompt.endswith("assword:"):
            self.type(b"\r")  # somebody left it there
            prompt = self._last_line(_LOGIN_S)
        asked = prompt.endswith(("login:", "sername:"))
        if asked:
            self._log_in(login)
        if self.run(_NO_HISTORY, _LOOK_S) is None:
            step = "look with a terminal program what is there, and leave it at a shell or a login prompt"
            raise UnavailableError(Problem(self._where, "a shell", prompt[-60:] or "nothing that answers", step))
        return asked

    def run(self, command: str, limit_s: float = _ANSWER_S) -> Answer | None:
        """What a command line does there; None without an answer in time."""
        self._start(f"{command}\r")
        return self.wait(limit_s)

    def start(self, command: str) -> None:
        """Start a program that reads what is typed from now on, until it ends; then `wait`."""
        self._start(f"{command}; ")

    def wait(self, limit_s: float) -> Answer | None:
        """What the command that was started did; None without an answer in time."""
        pattern = re.compile(rf"godwit:{self._number}:(\d{{1,3}}):")
        came = b""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            came = (came + self._read(_QUIET_S))[-_KEPT:]
            text = came.decode("ascii", "replace")
            if found := pattern.search(text):
                said = _LATE.sub("", _ESCAPES.sub("", text[: found.start()]))
                return Answer(int(found[1]), said.strip("\n"))
        return None

    def must(self, command: str, expected: str) -> Answer:
        """Run until it ends well: a command that may be repeated, over a line that may be noisy.

        Raises:
            UnavailableError: it never does.
        """
        found = "no answer"
        for _ in range(_TRIES):
            answer = self.run(command)
            if answer and answer.exit_code == 0:
                return answer
            found = f"exit code {answer.exit_code}: {answer.output.strip()[-80:]}" if answer else "no answer"
            self.type(_INTERRUPT)
            self._read(_QUIET_S)
        step = "look at the cable and at the device's free space"
        raise UnavailableError(Problem(self._where, expected, found, step))

    def push(self, content: bytes, there: str, progress: Callable[[int, int], None]) -> None:
        """Bring a file to the path `there`, block by block; each is checked by its hash.

        Raises:
            UnavailableError: it does not arrive.
        """
        quoted = shlex.quote(there)
        whole = f'[ "$(sha256sum < {quoted} | cut -c 1-64)" = {hashlib.sha256(content).hexdigest()} ]'
        present = self.run(f"[ -f {quoted} ] && {whole}")
        if present and present.exit_code == 0:
            return
        self.must(f": > {quoted}", "a file to write to")
        for number, at in enumerate(range(0, len(content), _BLOCK_BYTES)):
            self.must(_block(content[at : at + _BLOCK_BYTES], quoted, number), "a block that arrives whole")
            progress(min(at + _BLOCK_BYTES, len(content)), len(content))
        self.must(f"rm -f {quoted}.p; {whole}", "the whole file")

    def fetch(self, there: str) -> bytes:
        """The content of a small file there.

        Raises:
            UnavailableError: it does not arrive.
        """
        quoted = shlex.quote(there)
        for _ in range(_TRIES):
            output = self.must(f"sha256sum < {quoted} && base64 {quoted}", "a file to read").output
            sha256, _, text = output.strip().partition("\n")
            try:
                content = base64.b64decode(text)
            except binascii.Error:
                continue
            if hashlib.sha256(content).hexdigest() == sha256[:64]:
                return content
        raise UnavailableError(Problem(self._where, there, "other bytes every time", "look at the cable"))

    def type(self, keys: bytes) -> None:
        """As at a keyboard."""
        while keys:
            select.select([], [self._line.writes], [], _ANSWER_S)
            keys = keys[write(self._line.writes, keys) :]

    def _start(self, command: str) -> None:
        self._number += 1
        # Twice, since noise may hit one of them; what is left of the last one names another number.
        mark = f'echo "god"wit:{self._number}:$e:'
        self.type(f"{command}e=$?; {mark}; {mark}\r".encode())

    def _log_in(self, login: Login) -> None:
        if not login.user:
            step = "add ?user=NAME to the target"
            raise UnavailableError(Problem(self._where, "a receiver or a shell", "a login prompt", step))
        self.type(f"{login.user}\r".encode())
        prompt = self._last_line(_LOGIN_S)
        if prompt.endswith("assword:"):
            self.type(f"{login.password()}\r".encode())
            prompt = self._last_line(_LOGIN_S)
        if prompt.endswith(("assword:", "login:")):
            self.type(b"\r")
            step = "correct the user or the password"
            raise UnavailableError(Problem(self._where, f"{login.user} to be let in", "a refusal", step))

    def _last_line(self, limit_s: float = _LOOK_S) -> str:
        """The last line that is not empty, once something came and then nothing more."""
        came = b""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            more = self._read(_QUIET_S)
            if came.strip() and not more:
                break
            came = (came + more)[-_KEPT:]
        lines = [line.strip() for line in _ESCAPES.sub("", came.decode("ascii", "replace")).splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def _read(self, limit_s: float) -> bytes:
        readable, _, _ = select.select([self._line.reads], [], [], limit_s)
        return read(self._line.reads) if readable else b""


def _block(content: bytes, quoted: str, number: int) -> str:
    """A command that writes one block at its place, if it arrived whole; again does no harm."""
    text = base64.b64encode(content).decode()
    lines = "\r".join(text[at : at + 76] for at in range(0, len(text), 76))
    check = f'[ "$(sha256sum < {quoted}.p | cut -c 1-64)" = {hashlib.sha256(content).hexdigest()} ]'
    place = f"dd if={quoted}.p of={quoted} bs={_BLOCK_BYTES} seek={number} conv=notrunc 2>/dev/null"
    return f"base64 -d > {quoted}.p <<'.'\r{lines}\r.\r{check} && {place}"
