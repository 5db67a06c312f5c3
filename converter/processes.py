"""Child processes that never outlive the work that started them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from converter import memory

if TYPE_CHECKING:
    from typing_extensions import Self


class Finished(NamedTuple):
    """How a process ended; `exit_code` is negative for a signal, None where its time was up.

    Attributes:
        excess_bytes: the memory at which it was killed; 0 where it was not.
    """

    exit_code: int | None
    stdout: bytes
    stderr: str
    excess_bytes: int = 0

    def ending(self, time_limit_s: float) -> str:
        """How it ended, in words."""
        if self.excess_bytes:
            return _exceeded(self.excess_bytes)
        if self.exit_code is None:
            return f"was stopped after {time_limit_s:g} s"
        return ended(self.exit_code)


class Processes:
    """Starts child processes, each in a process group of its own, and kills those left when the block ends.

    One that takes more memory than it may is killed too. Safe to use from several threads: what is
    started after the end is refused.
    """

    def __init__(self, folder: Path, memory_bytes: int | None = None) -> None:
        """
        Args:
            folder: for their temporary files, since a killed process does not clean up.
            memory_bytes: what each may take with its children; most of what is free where not given.
        """
        self._memory_bytes = memory_bytes or memory.limit_bytes()
        self._excess: dict[int, int] = {}
        self._ended = threading.Event()
        self._watch = threading.Thread(target=self._look, name="memory", daemon=True)
        self._environment = {**os.environ, "TMPDIR": str(folder)}
        self._lock = threading.Lock()
        self._alive: set[subprocess.Popen[bytes]] = set()
        self._closed = False

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            alive = list(self._alive)
        self._ended.set()
        for process in alive:
            self.kill(process)
        self._watch.join()

    def start(
        self, arguments: Sequence[str], stdin: int, stderr: int | IO[Any], variables: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process whose stdout is a pipe, with `variables` added to its environment."""
        with self._lock:
            if self._closed:
                raise KeyboardInterrupt
            process = subprocess.Popen(
                arguments,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**self._environment, **(variables or {})},
                start_new_session=True,
            )
            self._alive.add(process)
        return process

    def run(
        self,
        arguments: Sequence[str],
        time_limit_s: float,
        variables: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
    ) -> Finished:
        """Run a process to its end, or kill it when its time is up, or when Ctrl-C comes."""
        process = self.start(arguments, stdin, subprocess.PIPE, variables)
        try:
            stdout, stderr = process.communicate(timeout=time_limit_s)
            exit_code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            self.kill(process)
            stdout, stderr = process.communicate()
            exit_code = None
        finally:
            self.kill(process)
        return Finished(exit_code, stdout, stderr.decode(errors="replace"), self._excess.get(process.pid, 0))

    def kill(self, process: subprocess.Popen[bytes]) -> int:
        """Kill the process with its own children; its exit code."""
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        exit_code = process.wait()
        self.forget(process)
        return exit_code

    def ending(self, process: subprocess.Popen[bytes]) -> str:
        """How a process that `start` gave ended, in words."""
        exit_code = process.wait()
        excess_bytes = self._excess.get(process.pid, 0)
        return _exceeded(excess_bytes) if excess_bytes else ended(exit_code)

    def _look(self) -> None:
        while not self._ended.wait(memory.LOOK_EVERY_S):
            with self._lock:
                alive = list(self._alive)
            for process in alive:
                taken = memory.resident_bytes(process.pid)
                if taken > self._memory_bytes and process.poll() is None:
                    self._excess[process.pid] = taken
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """It has ended."""
        with self._lock:
            self._alive.discard(process)


def _exceeded(taken_bytes: int) -> str:
    return f"was stopped at {taken_bytes / 1e9:.1f} GB of memory"


def ended(exit_code: int) -> str:
    """How a process ended, in words."""
    if exit_code >= 0:
        return f"ended with exit code {exit_code}"
    return f"died of {signal.Signals(-exit_code).name}"
