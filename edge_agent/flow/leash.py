"""Becomes a command whose whole process group dies with the worker. Run as a program of its own.

`python -I -S leash.py TERMINAL WORKER_PID PROGRAM ARGUMENT…`, in a new session. The kernel kills this
process when its parent dies, however that dies. TERMINAL, a pseudo-terminal whose other end only the
worker holds, becomes the session's controlling terminal: when that end closes, or the program itself
ends, the kernel hangs up on all others of the group (setsid(2), termios(3) on SIGHUP).

It is no `preexec_fn`, which may deadlock in a process that has threads.
"""

import ctypes
import fcntl
import os
import signal
import sys
import termios

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arrange it all and become the program; exit code 127 if there is none."""
    terminal, worker = int(sys.argv[1]), int(sys.argv[2])
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    os.close(terminal)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker:  # it died before we asked to be told
        sys.exit(1)
    # Ignored by Python, by the worker, or by whoever started the agent with nohup.
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(sys.argv[3], sys.argv[3:])  # noqa: S606  # no shell is just what is wanted
    except OSError as error:
        print((error.strerror or str(error)).lower(), file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main()
