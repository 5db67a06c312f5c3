"""A training process seen from outside: its progress is passed on, and what it made is remembered."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from converter import cache, lent, toolchain, tools
from converter.protocol import Failed, Rejected
from converter.training.protocol import LINE, Told, Train, Trained, encode
from firmware_profiles.errors import InputError, Problem

if TYPE_CHECKING:
    from converter.build import Workshop

TORCH = "litert-torch"
"""The toolchain that trains PyTorch networks."""

_REPLY, _FILE = "reply.json", "model"
_TAIL_BYTES = 2000


def trained(shop: Workshop, request: Train) -> Trained | Failed:
    """Train, or take what an earlier conversion trained.

    Raises:
        InputError: training data, loss, model or recipe do not fit together.
        UnavailableError: the toolchain that trains it cannot be made.
    """
    key = cache.key("trained", request.key, tools.fingerprint())
    if entry := shop.results.get(key):
        answer = LINE.decode((entry / _REPLY).read_bytes())
        assert isinstance(answer, Trained)
        file = Path(request.target + Path(answer.file).suffix)
        shutil.copyfile(entry / _FILE, file)
        return msgspec.structs.replace(answer, file=str(file))
    folder = _checkpoints(shop, key)
    answer = _run(shop, msgspec.structs.replace(request, checkpoints=str(folder), key=key))
    if isinstance(answer, Trained) and not _cut_short(answer, request):
        shop.results.put(key, {_REPLY: encode(answer), _FILE: Path(answer.file)})
        shutil.rmtree(folder, ignore_errors=True)
    return answer


def _checkpoints(shop: Workshop, key: str) -> Path:
    """Beside what is remembered; in the conversion's own folder where nothing is."""
    base = shop.results.folder.parent if shop.results.folder else shop.folder
    return base / "training" / key


def _cut_short(answer: Trained, request: Train) -> bool:
    """The budget may have ended it: with more, it goes on from the checkpoint."""
    return answer.seconds > request.budget_s * 0.8


def _environment(shop: Workshop, request: Train) -> tuple[str, dict[str, str]]:
    """A Python and its variables: PyTorch is trained in the toolchain that converts it. Raises UnavailableError."""
    if request.format != "torch":
        return sys.executable, {}
    return str(toolchain.prepare(TORCH, shop.progress)), lent.variables(shop.folder)


def _run(shop: Workshop, request: Train) -> Trained | Failed:
    with tempfile.TemporaryFile() as log:
        python, variables = _environment(shop, request)
        line = [python, "-m", "converter.training", encode(request).decode()]
        process = shop.processes.start(line, subprocess.DEVNULL, log, variables)
        assert process.stdout is not None
        answer: Trained | Failed | Rejected | None = None
        for told in process.stdout:
            one = LINE.decode(told)
            if isinstance(one, Told):
                shop.progress(one.text)
            else:
                answer = one
        ending = shop.processes.ending(process)
        shop.processes.kill(process)
        if isinstance(answer, Rejected):
            raise InputError(*(Problem(*problem) for problem in answer.problems))
        if answer is None:
            log.seek(max(0, log.seek(0, 2) - _TAIL_BYTES))
            last = (log.read().decode(errors="replace").strip().splitlines() or ["no word"])[-1][:200]
            return Failed(f"the training process {ending} after {last!r}")
        return answer
