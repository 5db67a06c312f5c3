"""The near end of `fleet/bootstrap/receive.py`, over any process that connects the two."""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
from pathlib import Path
from typing import IO, Any, NamedTuple

from fleet.flash.road import Progress

_CHUNK_BYTES = 1 << 16


class Entry(NamedTuple):
    """One file to send."""

    path: str
    size_bytes: int
    sha256: str


class BrokenError(Exception):
    """The connection ended too early."""


class RefusedError(Exception):
    """The device could not take it; the text says why."""


def listed(folder: Path) -> list[Entry]:
    """Every file below `folder`, sorted by path."""
    return [
        Entry(str(path.relative_to(folder)), path.stat().st_size, _sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


def send(process: subprocess.Popen[bytes], folder: Path, files: list[Entry], progress: Progress) -> str:
    """Send what is missing there through the process's pipes; the folder there.

    Raises:
        BrokenError: it ended too early.
        RefusedError: the device could not take it.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    total = sum(each.size_bytes for each in files)
    try:
        process.stdin.write(json.dumps(files).encode() + b"\n")
        process.stdin.flush()
        answer = _answer(process.stdout)
        there = sum(answer["have"])
        for entry, offset in zip(files, answer["have"], strict=True):
            with (folder / entry.path).open("rb") as stream:
                stream.seek(offset)
                while chunk := stream.read(_CHUNK_BYTES):
                    process.stdin.write(chunk)
                    there += len(chunk)
                    progress(there, total)
        process.stdin.close()
    except OSError:  # it went away while we wrote: its last words say why, if it had time for any
        _answer(process.stdout)
        raise BrokenError("it ended while files were sent") from None
    finally:
        with contextlib.suppress(OSError):  # what it did not take is given up
            process.stdin.close()
    _answer(process.stdout)
    return str(answer["folder"])


def _answer(stream: IO[bytes]) -> dict[str, Any]:
    line = stream.readline(1 << 22)
    if not line:
        raise BrokenError("no answer")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise RefusedError(answer["error"])
    return answer


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
