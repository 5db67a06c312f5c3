"""Take files from stdin into a folder of this user; what came before an interruption is not sent again.

Argument: the name of the folder below /var/tmp. In: a JSON line [[path, size_bytes, sha256], …], then, file by
file, the bytes that are missing. Out: a JSON line {"folder": …, "have": [bytes of each, …]}, then {"done": true}, or
{"error": …} at any time. A file has its name only when it is whole and its hash is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

STAGING = Path("/var/tmp")  # noqa: S108  # the folder in it is this user's own, and checked
MAX_FILES = 10_000
CHUNK_BYTES = 1 << 18


def main(name: str) -> None:
    """Take everything, or say what went wrong."""
    try:
        folder = own_folder(name)
        files = json.loads(sys.stdin.buffer.readline(1 << 22))[:MAX_FILES]
        places = [place_of(folder, path) for path, _, _ in files]
        parts = [
            place.with_name(f"{place.name}.{sha256[:16]}.part")
            for place, (_, _, sha256) in zip(places, files, strict=True)
        ]
        prune(folder, {*places, *parts})
        have = [present(*each) for each in zip(places, parts, files, strict=True)]
        say({"folder": str(folder), "have": have})
        for place, part, (_, size, sha256), offset in zip(places, parts, files, have, strict=True):
            if not place.exists():
                take(part, size, sha256, offset)
                os.replace(part, place)
    except OSError as error:
        say({"error": (error.strerror or str(error)).lower()})
    except ValueError as error:
        say({"error": str(error)})
    else:
        say({"done": True})


def say(what: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


def own_folder(name: str) -> Path:
    """A folder that nobody else can write to."""
    folder = STAGING / Path(name).name
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ValueError(f"{folder}, which belongs to somebody else")
    return folder


def place_of(folder: Path, path: str) -> Path:
    """The place of that relative path."""
    parts = path.split("/")
    if {"", ".", ".."} & set(parts):
        raise ValueError(f"a path that leads elsewhere: {path!r}")
    return folder.joinpath(*parts)


def prune(folder: Path, wanted: set[Path]) -> None:
    """Remove what is left of a flash that brought something else."""
    for path in sorted(folder.rglob("*")):
        if not path.is_dir() and path not in wanted:
            path.unlink()


def present(place: Path, part: Path, file: tuple[str, int, str]) -> int:
    """Bytes of that file that are here already; what has its name is the right one, or is removed."""
    _, size, sha256 = file
    if place.exists():
        if digest_of(place) == sha256:
            return size
        place.unlink()
    return min(part.stat().st_size, size) if part.exists() else 0


def digest_of(path: Path) -> str:
    """SHA-256, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def take(part: Path, size: int, sha256: str, offset: int) -> None:
    """Append what is missing."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as stream:
        stream.truncate(offset)
        while offset < size:
            chunk = sys.stdin.buffer.read(min(CHUNK_BYTES, size - offset))
            if not chunk:
                raise ValueError("a sender that went away")
            stream.write(chunk)
            offset += len(chunk)
    if digest_of(part) != sha256:
        part.unlink()
        raise ValueError("other bytes than were sent")


if __name__ == "__main__":
    main(sys.argv[1])
