"""The command source: pictures, sound or rows from the standard output of a program, started without a shell."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

from edge_agent import source_config
from edge_agent.flow.source import Ended
from edge_agent.flow.stream import READ_BYTES, StreamSource
from edge_agent.source_config import Command
from firmware_profiles.errors import InputError, Problem

_LEASH = Path(__file__).with_name("leash.py")
_GRACE_S = 1.0
_KEPT_STDERR_BYTES = 2048
_SHOWN = 300


class _Process:
    """A `stream.Connection`."""

    def __init__(self, settings: Command) -> None:
        self._program = settings.command[0]
        self._always = settings.restart == "always"
        self._stderr = b""
        self._closed_s: float | None = None
        try:
            self._terminal, theirs = os.openpty()
            leash = [sys.executable, "-I", "-S", str(_LEASH), str(theirs), str(os.getpid())]
            self._process = subprocess.Popen(
                [*leash, *settings.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs],
                cwd="/",
                start_new_session=True,
            )
            os.close(theirs)
        except OSError as error:
            raise self._failure((error.strerror or str(error)).lower()) from None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._out, self._err = self._process.stdout.fileno(), self._process.stderr.fileno()
        # One descriptor to wait for both: whoever fills its stderr unread stands still.
        self._either = select.epoll()
        for descriptor in (self._out, self._err):
            os.set_blocking(descriptor, False)
            self._either.register(descriptor, select.EPOLLIN)

    def fileno(self) -> int | None:
        return self._either.fileno() if self._closed_s is None else None

    def read(self) -> bytes:
        self._drain_stderr()
        try:
            received = os.read(self._out, READ_BYTES)
        except BlockingIOError:
            return b""
        if not received:
            self._check_end()
        return received

    def close(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_GRACE_S)
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._either.close()
        os.close(self._terminal)
        for stream in (self._process.stdout, self._process.stderr):
            assert stream is not None
            stream.close()

    def _drain_stderr(self) -> None:
        with contextlib.suppress(BlockingIOError):
            received = os.read(self._err, READ_BYTES)
            if not received and self._closed_s is None:
                with contextlib.suppress(FileNotFoundError):  # it is told once
                    self._either.unregister(self._err)
            self._stderr = (self._stderr + received)[-_KEPT_STDERR_BYTES:]

    def _check_end(self) -> None:
        """Its standard output is closed: what became of it?"""
        now_s = time.monotonic()
        self._closed_s = self._closed_s or now_s
        code = self._process.poll()
        if code is None:
            if now_s - self._closed_s > _GRACE_S:
                raise self._failure("closed its standard output and went on")
            return
        self._drain_stderr()
        if code == 0 and not self._always:
            raise Ended
        ended = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        raise self._failure(": ".join(filter(None, (ended, self._last_line()))))

    def _last_line(self) -> str:
        lines = self._stderr.decode("utf-8", "replace").strip().splitlines()
        return "".join(filter(str.isprintable, lines[-1]))[:_SHOWN] if lines else ""

    def _failure(self, found: str) -> InputError:
        return InputError(Problem(self._program, "a program that runs on", found, "mend it; it is started again"))


def open_command(settings: Command, reached: int) -> StreamSource:
    """The source; the program is started at the first poll, in the folder /."""
    rate = settings.rate if source_config.paces_itself(settings) else 0.0
    return StreamSource(lambda: _Process(settings), settings.format, settings.window, reached, rate=rate)
