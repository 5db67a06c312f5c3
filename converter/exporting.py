"""The session process seen from outside: one loaded source model that exports on request."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from converter.processes import Processes
from converter.protocol import (
    REPLY,
    Declined,
    Description,
    Elsewhere,
    Export,
    Exported,
    Failed,
    Rank,
    Ranked,
    Rejected,
    Reply,
    Request,
    encode,
)
from converter.recipes import SourceFormat
from firmware_profiles.errors import InputError, Problem, UnavailableError

LOAD_LIMIT_S = 300.0
EXPORT_LIMIT_S = 900.0
_TAIL_BYTES = 2000


class Session:
    """A source model loaded in a process of its own; started on use, and again after it died.

    Several threads may ask; it answers one after the other.
    """

    def __init__(self, processes: Processes, source: Path, source_format: SourceFormat, layers: str = "") -> None:
        """Args: `layers`: a Python file that registers the model's own, for Keras; empty where it has none."""
        self._processes = processes
        self._layers = layers
        self._source = source
        self.source_format = source_format
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # lives as long as the process that writes it
        self._pending = b""
        self._lock = threading.RLock()

    def describe(self) -> Description | Elsewhere:
        """Load the model if it is not loaded, and say what it is, or that only a toolchain loads it.

        Raises:
            InputError: the file cannot be loaded.
            UnavailableError: a library is missing.
        """
        self.close()
        self._process = self._start()
        try:
            reply = REPLY.decode(self._read_line(LOAD_LIMIT_S))
        except _DiedError as error:
            step = "export it again"
            raise InputError(Problem(str(self._source), "a model that loads", f"the loader {error}", step)) from None
        if isinstance(reply, Rejected):
            raise InputError(*(Problem(*problem) for problem in reply.problems))
        if isinstance(reply, Description | Elsewhere):
            return reply
        reason = reply.reason if isinstance(reply, Failed | Declined) else "an odd reply"
        raise UnavailableError(Problem(str(self._source), "the libraries of its format", reason, "see README"))

    def export(self, request: Export) -> Exported | Declined | Failed:
        """Export once; a process that dies of it is one failure, and the next call starts a new one."""
        with self._lock:
            reply = self._ask(request)
        assert isinstance(reply, Exported | Declined | Failed)
        return reply

    def rank(self, request: Rank) -> Ranked | Declined | Failed:
        """Rank the layers of a TFLite or ONNX model once; it dies as `export` does."""
        with self._lock:
            reply = self._ask(request)
        assert isinstance(reply, Ranked | Declined | Failed)
        return reply

    def _ask(self, request: Request) -> Reply:
        if self._process is None:
            self.describe()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(encode(request) + b"\n")
            self._process.stdin.flush()
            reply = REPLY.decode(self._read_line(EXPORT_LIMIT_S))
        except (_DiedError, BrokenPipeError) as error:
            self.close()
            return Failed(f"the exporting process {error}")
        return reply

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._processes.kill(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):  # a request that it died before reading
                    pipe.close()
        self._process = None
        self._pending = b""

    def _start(self) -> subprocess.Popen[bytes]:
        arguments = [sys.executable, "-m", "converter.session", str(self._source), self.source_format, self._layers]
        return self._processes.start(arguments, subprocess.PIPE, self._log)

    def _read_line(self, time_limit_s: float) -> bytes:
        assert self._process is not None
        assert self._process.stdout is not None
        pipe, deadline = self._process.stdout.fileno(), time.monotonic() + time_limit_s
        while b"\n" not in self._pending:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise _DiedError(f"was stopped after {time_limit_s:g} s")
            chunk = os.read(pipe, 1 << 16)
            if not chunk:
                raise _DiedError(f"{self._processes.ending(self._process)}{self._last_words()}")
            self._pending += chunk
        line, _, self._pending = self._pending.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """The last line that the process wrote, if any: often the only hint."""
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - _TAIL_BYTES))
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f" after {lines[-1].strip()[:200]!r}" if lines else ""


class _DiedError(Exception):
    """The process is gone, or its time was up; the text says how."""
