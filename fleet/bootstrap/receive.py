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
        have = [present(folder, path, size) for path, size, _ in files]
        say({"folder": str(folder), "have": have})
        for (path, size, sha256), offset in zip(files, have):  # noqa: B905  # of one list
            take(place_of(folder, path), size, sha256, offset)
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


def present(folder: Path, path: str, size: int) -> int:
    """Bytes of that file that are here already."""
    place = place_of(folder, path)
    if place.exists():
        return size if place.stat().st_size == size else 0
    part = partial(place)
    return min(part.stat().st_size, size) if part.exists() else 0


def partial(place: Path) -> Path:
    """Where a file lies until it is whole."""
    return place.with_name(f"{place.name}.part")


def take(place: Path, size: int, sha256: str, offset: int) -> None:
    """Append what is missing; rename when it is whole."""
    part = place if place.exists() and offset == size else partial(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with part.open("r+b" if offset else "wb") as stream:
        while stream.tell() < offset:
            digest.update(stream.read(min(CHUNK_BYTES, offset - stream.tell())))
        while offset < size:
            chunk = sys.stdin.buffer.read(min(CHUNK_BYTES, size - offset))
            if not chunk:
                raise ValueError("a sender that went away")
            stream.write(chunk)
            digest.update(chunk)
            offset += len(chunk)
        stream.truncate()
    if digest.hexdigest() != sha256:
        part.unlink()
        raise ValueError("other bytes than were sent")
    if part != place:
        os.replace(part, place)


if __name__ == "__main__":
    main(sys.argv[1])
