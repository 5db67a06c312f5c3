"""`python -m converter.bring REQUEST`: bring one model to another format, in a toolchain's environment.

The answer is the last line on stdout; whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import importlib
import os
import sys

from converter.bring.request import REQUEST, Answer, Bring, Brought, encode
from converter.formats.base import NoRouteError
from converter.protocol import Declined, Failed, Rejected
from converter.reasons import short
from firmware_profiles.errors import InputError


def answer(request: Bring) -> Answer:
    """Do it, and say how it went."""
    try:
        importlib.import_module(f"converter.bring.{request.module}").bring(request)
    except InputError as error:
        return Rejected([(*problem,) for problem in error.problems])
    except NoRouteError as error:
        return Declined(str(error))
    except SystemExit as error:  # onnx2tf ends the process where it meets something that it does not know
        return Failed(f"the converter ended with exit code {error.code}")
    except Exception as error:  # noqa: BLE001  # the libraries raise whatever they meet; it is one failed route
        return Failed(short(error))
    return Brought()


def main() -> None:
    """Answer the request on the command line."""
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    replies.write(encode(answer(REQUEST.decode(sys.argv[1]))) + b"\n")
    replies.flush()


if __name__ == "__main__":
    main()
