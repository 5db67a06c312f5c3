"""Take files from stdin into a folder of this user; what came before an interruption is not sent again.

Arguments: the name of the folder below /var/tmp. In: a JSON line [[path, size_bytes, sha256], …], then, file by
file, the bytes that are missing. Out: a JSON line {"folder": …, "have": [bytes of each, …]}, then {"done": true}, or
{"error": …, "path": …} at any time. A file has its name only when it is whole and its hash is right.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from typing import Any

STAGING = "/var/tmp"  # noqa: S108  # the folder in it is this user's own, and checked
MAX_FILES = 10_000
CHUNK_BYTES = 1 << 18


def main(name: str) -> None:
    """Take everything, or say what went wrong."""
    path = ""
    try:
        folder = own_folder(name)
        files = json.loads(sys.stdin.buffer.readline(1 << 22))[:MAX_FILES]
        have = [present(folder, path, size) for path, size, _ in files]
        say({"folder": folder, "have": have})
        for (path, size, sha256), offset in zip(files, have, strict=True):
            take(folder, path, size, sha256, offset)
    except OSError as error:
        say({"error": (error.strerror or str(error)).lower(), "path": path})
    except ValueError as error:
        say({"error": str(error), "path": path})
    else:
        say({"done": True})


def say(what: dict[str, Any]) -> None:
    """One line."""
    print(json.dumps(what), flush=True)


def own_folder(name: str) -> str:
    """A folder that nobody else can write to."""
    folder = f"{STAGING}/{os.path.basename(name)}"
    os.makedirs(folder, mode=0o700, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise ValueError(f"{folder} belongs to somebody else")
    return folder


def inside(folder: str, path: str) -> str:
    """The place of that relative path."""
    parts = path.split("/")
    if not path or path.startswith("/") or {"", ".", ".."} & set(parts):
        raise ValueError("no relative path")
    return os.path.join(folder, *parts)


def present(folder: str, path: str, size: int) -> int:
    """Bytes of that file that are here already."""
    place = inside(folder, path)
    if os.path.exists(place):
        return size if os.path.getsize(place) == size else 0
    part = f"{place}.part"
    return min(os.path.getsize(part), size) if os.path.exists(part) else 0


def take(folder: str, path: str, size: int, sha256: str, offset: int) -> None:
    """Append what is missing; rename when it is whole."""
    place = inside(folder, path)
    whole = os.path.exists(place) and offset == size
    part = place if whole else f"{place}.part"
    os.makedirs(os.path.dirname(place), mode=0o700, exist_ok=True)
    with open(part, "r+b" if offset else "wb") as stream:
        digest = hashlib.sha256()
        while offset > stream.tell():
            digest.update(stream.read(min(CHUNK_BYTES, offset - stream.tell())))
        while offset < size:
            chunk = sys.stdin.buffer.read(min(CHUNK_BYTES, size - offset))
            if not chunk:
                stream.flush()
                raise ValueError("the sender went away")
            stream.write(chunk)
            digest.update(chunk)
            offset += len(chunk)
        stream.truncate()
    if digest.hexdigest() != sha256:
        os.unlink(part)
        raise ValueError("other bytes than were sent")
    if not whole:
        os.replace(part, place)


if __name__ == "__main__":
    main(sys.argv[1])
