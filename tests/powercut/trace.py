"""System calls that change the file system, as strace tells them; and a process that strace kills at one of them."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

NAMES = (
    *("openat", "open", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "truncate"),
    *(
        "fallocate",
        "copy_file_range",
        "sendfile",
        "rename",
        "renameat",
        "renameat2",
        "fsync",
        "fdatasync",
        "sync_file_range",
    ),
    *("unlink", "unlinkat", "rmdir", "mkdir", "mkdirat", "symlink", "symlinkat", "link", "linkat", "mknodat"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "fchownat", "utimensat", "setxattr", "fsetxattr"),
)
"""Whatever changes what is on a disk, or when."""
_READ_TOO = ("close", "lseek")
_LINE = re.compile(r"^(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>-?\d+)")
_OPENED_FOR_WRITING = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC")
_LIMIT_S = 120.0
BROKEN = 70
"""Exit code of a session that ended by an exception that no command expects."""


class Call(NamedTuple):
    """One system call of the traced process.

    Attributes:
        ordinal: among its calls of that name, from 1.
        result: its return value; below 0 where it failed.
    """

    name: str
    ordinal: int
    arguments: tuple[str, ...]
    result: int

    @property
    def can_change(self) -> bool:
        """Whether it is one that changes something: an openat is if it is for writing, and none is that failed."""
        if self.result < 0:
            return False
        if self.name == "openat":
            return any(flag in self.arguments[2] for flag in _OPENED_FOR_WRITING)
        return self.name in NAMES

    def moved(self, old: Path, new: Path) -> Call:
        """The same call, for another folder; what it writes stays, since a compiled module names its own path."""
        paths = (each.replace(str(old), str(new), 1) if each.startswith(str(old)) else each for each in self.arguments)
        return self._replace(arguments=tuple(paths))

    @property
    def point(self) -> str:
        """Where a cut is, as "rename:3"."""
        return f"{self.name}:{self.ordinal}"


def run(session: Callable[[], None]) -> int:
    """Run `session` in a process of its own; its exit code, or less than 0 by a signal."""
    pid = _fork(session, None)
    return _end(pid)


def traced(session: Callable[[], None], log: Path) -> tuple[int, list[Call]]:
    """Run `session` under strace; its exit code and what it called, in the order of time."""
    names = ",".join(f"?{name}" for name in (*NAMES, *_READ_TOO))
    pid, code = _under(["-ff", "-xx", "-s", str(1 << 22), "-o", str(log), "-e", f"trace={names}"], session)
    return code, list(_calls(log, pid))


def cut(session: Callable[[], None], point: str) -> bool:
    """Run `session` and SIGKILL it at `point`; False if it ended before it came there."""
    name, _, ordinal = point.partition(":")
    options = ["-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:signal=KILL:when={ordinal}"]
    return _under(options, session)[1] == -signal.SIGKILL


def refused(session: Callable[[], None], point: str, error: str) -> int:
    """Run `session` while the call at `point`, and each of its name after it, fails with `error`; its exit code."""
    name, _, ordinal = point.partition(":")
    options = ["-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:error={error}:when={ordinal}+"]
    return _under(options, session)[1]


def _under(options: list[str], session: Callable[[], None]) -> tuple[int, int]:
    """Process id and exit code."""
    with _gate() as (wait, release):
        pid = _fork(session, wait)
        tracer = subprocess.Popen(["strace", "-qq", *options, "-p", str(pid)], stderr=subprocess.DEVNULL)
        _until_traced(pid, tracer)
        os.write(release, b"!")
    code = _end(pid)
    tracer.wait()
    return pid, code


def _fork(session: Callable[[], None], gate: int | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = BROKEN
    try:
        os.setsid()
        sys.stdout = sys.stderr = io.StringIO()  # its words are no writes that a disk could refuse
        if gate is not None:
            os.read(gate, 1)
        session()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    except BaseException:  # noqa: BLE001  # nothing of the parent's may run in a child
        code = BROKEN
    finally:
        os._exit(code)


def _end(pid: int) -> int:
    """Wait, then end whatever the process started; its exit code."""
    deadline_s = time.monotonic() + _LIMIT_S
    pause_s = 0.001
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline_s:
            os.kill(pid, signal.SIGKILL)
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.02)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(status)


@contextmanager
def _gate() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            os.close(end)


def _until_traced(pid: int, tracer: subprocess.Popen[bytes]) -> None:
    while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{pid}/status").read_text(encoding="ascii"):
        if tracer.poll() is not None:
            raise RuntimeError("strace cannot trace here")
        time.sleep(0.001)


def _calls(log: Path, pid: int) -> Iterator[Call]:
    """The calls of the process `pid`, in whose file beside `log` they are."""
    counts: Counter[str] = Counter()
    for line in Path(f"{log}.{pid}").read_text(encoding="ascii").splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        name = match["name"]
        counts[name] += 1
        arguments = tuple(_text(each) for each in match["arguments"].split(", "))
        yield Call(name, counts[name], arguments, int(match["result"]))


def _text(argument: str) -> str:
    """A string in hexadecimal as text of Latin-1, which keeps every byte; anything else as it is."""
    if not argument.startswith('"'):
        return argument
    return bytes.fromhex(argument.strip('".').replace("\\x", "")).decode("latin-1")
