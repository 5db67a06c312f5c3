"""`python -m converter.training REQUEST`: one training in a process of its own; JSON lines on stdout.

Whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys

from converter.protocol import Failed, Rejected
from converter.reasons import short
from converter.training.protocol import REQUEST, Line, Told, encode
from converter.training.stepping import TooLittleTimeError
from firmware_profiles.errors import InputError

_MODULES = {"torch": "converter.pytorch.run"}
"""By the format of the model: whose `run` it is; Keras for all others."""

_AT_ONCE = 2
"""Operations that run at once, each on its part of the cores: the teacher beside the student, and of a layer the
gradients of its weights beside those of its input. Small kernels gain less from two cores each (bench, ADR 18)."""


def _for_tensorflow() -> dict[str, str]:
    """It leaves oneDNN out on processors without AVX-512; a step takes a quarter to a half less time with it there too.
    Left alone it gives each operation all cores.
    """
    cores = len(os.sched_getaffinity(0))
    return {
        "TF_ENABLE_ONEDNN_OPTS": "1",
        "TF_NUM_INTEROP_THREADS": str(min(_AT_ONCE, cores)),
        "TF_NUM_INTRAOP_THREADS": str(max(1, cores // _AT_ONCE)),
    }


def main() -> None:
    """Answer the request in the first argument."""
    for name, value in _for_tensorflow().items():
        os.environ.setdefault(name, value)
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(line: Line) -> None:
        replies.write(encode(line) + b"\n")
        replies.flush()

    request = REQUEST.decode(sys.argv[1])
    try:
        run = importlib.import_module(_MODULES.get(request.format, "converter.training.run")).run
    except ImportError as error:
        say(Failed(f"{error.name or error} is not installed; install the extra convert"))
        return
    try:
        say(run(request, lambda text: say(Told(text))))
    except InputError as error:
        say(Rejected([(*problem,) for problem in error.problems]))
    except TooLittleTimeError as error:
        say(Failed(str(error)))
    except Exception as error:  # noqa: BLE001  # the libraries raise whatever they meet; it is one failed candidate
        say(Failed(short(error)))


if __name__ == "__main__":
    main()
