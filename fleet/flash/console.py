"""A login console on a serial line: log in, run commands, push a file, leave a program on the line.

A POSIX shell with coreutils or busybox is all that is needed there. What it prints is searched for marks
that its echo of what was typed does not hold.
"""

from __future__ import annotations

import base64
import hashlib
import re
import select
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.pump import Line, read, write

_BLOCK_BYTES = 2048
"""Of a file in one command: as base64 less than the 4095 characters that a terminal keeps unread."""
_TRIES = 8
_ANSWER_S = 10.0
_LOGIN_S = 20.0
_QUIET_S = 0.7
_LOOK_S = 5.0
_KEPT = 16_384
_MARK = re.compile(rb"godwit:(\d{1,3}):")
_INTERRUPT = b"\x03\x15\r"  # Ctrl-C, Ctrl-U, Return


class Login(NamedTuple):
    """Who logs in; the password is asked for only where the console does."""

    user: str
    password: Callable[[], str]


class Console:
    """The host's end of one; `where` names it in errors."""

    def __init__(self, line: Line, where: str) -> None:
        self._line = line
        self._where = where

    def enter(self, login: Login | None) -> bool:
        """Get to a shell; whether somebody had to log in for it.

        Raises:
            UnavailableError: there is a login prompt and no `login`, or it is refused, or there is no shell.
        """
        self._type(b"\x15\r")
        prompt = self._last_line()
        if prompt.endswith("assword:"):
            self._type(b"\r")  # somebody left it there
            prompt = self._last_line(_LOGIN_S)
        asked = prompt.endswith(("login:", "sername:"))
        if asked:
            self._log_in(login)
        if self.run("stty -echo; PS1=; PS2=") is None:
            step = "look with a terminal program what is there, and leave it at a shell or a login prompt"
            raise UnavailableError(Problem(self._where, "a shell", prompt[-60:] or "nothing that answers", step))
        return asked

    def run(self, command: str, limit_s: float = _ANSWER_S) -> tuple[int, str] | None:
        """Exit code and output of a command line there; None without an answer in time."""
        self._type(f'{command}\recho "god"wit:$?:\r'.encode())
        output = self._until(_MARK, limit_s)
        if output is None:
            return None
        found = _MARK.search(output)
        assert found is not None
        return int(found[1]), output[: found.start()].decode(errors="replace").replace("\r", "")

    def push(self, file: Path, there: str, progress: Callable[[int, int], None]) -> None:
        """Bring a file to the path `there`, block by block; each is checked by its hash.

        Raises:
            UnavailableError: it does not arrive.
        """
        content = file.read_bytes()
        quoted = shlex.quote(there)
        self._must(f": > {quoted}", "a file to write to")
        for number, at in enumerate(range(0, len(content), _BLOCK_BYTES)):
            self._must(_block(content[at : at + _BLOCK_BYTES], quoted, number), "a block that arrives whole")
            progress(min(at + _BLOCK_BYTES, len(content)), len(content))
        wanted = hashlib.sha256(content).hexdigest()
        self._must(f'rm -f {quoted}.p; [ "$(sha256sum < {quoted} | cut -c 1-64)" = {wanted} ]', "the whole file")

    def has(self, program: str) -> bool:
        """Whether a program is there."""
        answer = self.run(f"command -v {shlex.quote(program)}")
        return answer is not None and answer[0] == 0

    def folder(self) -> str:
        """A new folder there, for nobody else's eyes.

        Raises:
            UnavailableError: there is no room for one.
        """
        answer = self.run("mktemp -d")
        if answer is None or answer[0] != 0:
            found = answer[1].strip()[-80:] if answer else "no answer"
            raise UnavailableError(Problem(self._where, "a folder for temporary files", found, "free some space there"))
        return answer[1].strip().splitlines()[-1]

    def leave(self, commands: str) -> None:
        """Type the last commands: from now on the line is theirs."""
        self._type(f"{commands}\r".encode())

    def _must(self, command: str, expected: str) -> None:
        found = "no answer"
        for _ in range(_TRIES):
            answer = self.run(command)
            if answer and answer[0] == 0:
                return
            found = f"exit code {answer[0]}: {answer[1].strip()[-80:]}" if answer else "no answer"
            self._type(_INTERRUPT)
            self._last_line()
        raise UnavailableError(
            Problem(self._where, expected, found, "look at the cable and at the device's free space")
        )

    def _log_in(self, login: Login | None) -> None:
        if login is None:
            step = "add ?user=NAME to the target"
            raise UnavailableError(Problem(self._where, "a receiver or a shell", "a login prompt", step))
        self._type(f"{login.user}\r".encode())
        prompt = self._last_line(_LOGIN_S)
        if prompt.endswith("assword:"):
            self._type(f"{login.password()}\r".encode())
            prompt = self._last_line(_LOGIN_S)
        if prompt.endswith(("assword:", "login:")):
            self._type(b"\r")
            step = "correct the user or the password"
            raise UnavailableError(Problem(self._where, f"{login.user} to be let in", "a refusal", step))

    def _type(self, keys: bytes) -> None:
        while keys:
            select.select([], [self._line.writes], [], _ANSWER_S)
            keys = keys[write(self._line.writes, keys) :]

    def _last_line(self, limit_s: float = _LOOK_S) -> str:
        """The last line that is not empty, once something came and then nothing more."""
        came = b""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            more = self._read(_QUIET_S)
            if came.strip() and not more:
                break
            came = (came + more)[-_KEPT:]
        lines = [line.strip() for line in came.decode(errors="replace").splitlines()]
        return next((line for line in reversed(lines) if line), "")

    def _until(self, mark: re.Pattern[bytes], limit_s: float) -> bytes | None:
        came = b""
        until_s = time.monotonic() + limit_s
        while time.monotonic() < until_s:
            came = (came + self._read(_QUIET_S))[-_KEPT:]
            if mark.search(came):
                return came
        return None

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
