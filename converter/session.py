"""`python -m converter.session MODEL FORMAT`: loads one source model and exports it on request.

A process of its own, because the libraries take seconds to import and some of them crash. The
first line on stdout describes the source; after that one reply answers one request on stdin.
Whatever the libraries print goes to stderr.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, cast

from converter import macs
from converter.formats import base
from converter.protocol import (
    REQUEST,
    Declined,
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
from converter.reasons import short
from converter.recipes import SourceFormat
from firmware_profiles.errors import InputError


def serve(path: Path, source_format: SourceFormat, layers: str, requests: Iterable[bytes], replies: BinaryIO) -> None:
    """Describe the source, then answer requests until there are no more.

    Args:
        layers: a Python file that registers the model's own; empty where it has none.
    """

    def say(reply: Reply) -> None:
        replies.write(encode(reply) + b"\n")
        replies.flush()

    try:
        if layers:
            from converter.formats import own_layers

            own_layers.register(Path(layers))
        model = base.load(path, source_format)
        say(model.describe())
    except InputError as error:
        say(Rejected([(*problem,) for problem in error.problems]))
        return
    except base.ElsewhereError as error:
        say(Elsewhere(str(error)))
        return
    except ImportError as error:
        say(Failed(f"{error.name or error} is not installed; install the extra convert"))
        return
    for line in requests:
        say(_answer(model, REQUEST.decode(line)))


def _answer(model: base.SourceModel, request: Request) -> Reply:
    try:
        if isinstance(request, Rank):
            assert isinstance(model, base.Quantizable)
            return Ranked(model.rank(request))
        return _described(request, model.export(request))
    except base.NoRouteError as error:
        return Declined(str(error))
    except Exception as error:  # noqa: BLE001  # the libraries raise whatever they meet; it is one failed candidate
        return Failed(short(error))


def _described(request: Export, told: base.Told) -> Exported:
    target = Path(request.target)
    if request.recipe.format == "tflite":
        from converter.formats import tflite

        inputs, outputs = tflite.tensors(target)
        return Exported(inputs, outputs, macs.of_tflite(target), [*told.layers], [*told.said])
    from converter.formats import onnx

    inputs, outputs = onnx.tensors(target)
    return Exported(inputs, outputs, macs.of_onnx(target), [*told.layers], [*told.said])


def main() -> None:
    """Run on this process's own stdin and stdout."""
    path, source_format, layers = sys.argv[1:]
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(Path(path), cast(SourceFormat, source_format), layers, sys.stdin.buffer, replies)


if __name__ == "__main__":
    main()
