"""What a worker of a cluster does for a conversion. It shares no disk with us: files come and go as bytes.

These functions run in the worker's process, which has the same Godwit and libraries; what they start is
the same commands as anywhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter.exporting import Session
from converter.hosts import Here
from converter.processes import Finished, Processes
from converter.protocol import Declined, Export, Exported, Failed
from converter.recipes import SourceFormat

Files = dict[str, bytes]
"""A file by its name, or all files below a folder by their paths in it, which begin with its name."""


class Made(NamedTuple):
    """What an export gave, with the model file's bytes where there is one."""

    reply: Exported | Declined | Failed
    content: bytes


class Told(NamedTuple):
    """How a command of `edge-agent` ended, with the bytes of the file that it wrote, if any."""

    finished: Finished
    written: bytes


class Written(NamedTuple):
    """An argument that names a file which the command writes."""

    suffix: str


def packed(path: Path) -> Files:
    """What a worker needs to have the file or folder too."""
    if not path.is_dir():
        return {path.name: path.read_bytes()}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return {file.relative_to(path.parent).as_posix(): file.read_bytes() for file in files}


def export(model: Files, model_format: SourceFormat, request: Export, calibration: Files) -> Made:
    """Quantize a float model; paths of the request are ours, and stand for those of the worker."""
    with _workplace() as (folder, processes):
        target = folder / Path(request.target).name
        there = _unpacked(calibration, folder / "calibration")
        session = Session(processes, _unpacked(model, folder / "model"), model_format)
        reply = session.export(msgspec.structs.replace(request, calibration=str(there), target=str(target)))
        session.close()
        return Made(reply, target.read_bytes() if isinstance(reply, Exported) else b"")


def run(command: str, arguments: Sequence[str | Files | Written]) -> Told:
    """Run one command of `edge-agent`."""
    with _workplace() as (folder, processes):
        written = next((folder / f"written{each.suffix}" for each in arguments if isinstance(each, Written)), None)
        plain = [
            written
            if isinstance(each, Written)
            else _unpacked(each, folder / str(index))
            if isinstance(each, dict)
            else each
            for index, each in enumerate(arguments)
        ]
        finished = Here(processes).run(command, plain)
        return Told(finished, written.read_bytes() if written and written.exists() else b"")


def _unpacked(files: Files, folder: Path) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder / next(iter(files)).partition("/")[0]


@contextmanager
def _workplace() -> Iterator[tuple[Path, Processes]]:
    with tempfile.TemporaryDirectory(prefix="godwit-errand-") as folder, Processes(Path(folder)) as processes:
        yield Path(folder), processes
