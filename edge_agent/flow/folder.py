"""The folder source: every image, .npy or .csv file that appears in a folder, once.

A file is taken when two scans found it with the same size and time, so that a slow writer is not
read half way; whoever renames into place needs no such luck. Its name is its position: a file is
answered once under its name, until it vanishes and comes again.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from edge_agent.flow import images, payload
from edge_agent.flow.source import Ended, Item
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem

_KINDS: dict[str, payload.PayloadKind] = {".npy": "npy", ".csv": "csv"}
SUFFIXES = (*images.SUFFIXES, *_KINDS)
_SCAN_S = 0.2
_Signature = tuple[int, int]


class FolderSource:
    """Files in `path` that are not among `taken`, by name."""

    def __init__(self, path: Path, taken: Iterable[str]) -> None:
        if not path.is_dir():
            raise InputError(Problem(str(path), "a folder", "none", "make it, or correct the path"))
        self._path = path
        self._taken = set(taken)
        self._seen: dict[str, _Signature] = {}
        self._queue: deque[str] = deque()
        self._gone: list[str] = []
        self._next_scan_s = 0.0
        self._finished = False

    def poll(self) -> Item | None:
        """See `source.Source`."""
        if self._finished:
            raise Ended
        if not self._queue and time.monotonic() >= self._next_scan_s:
            self._scan()
            self._next_scan_s = time.monotonic() + _SCAN_S
        if not self._queue:
            return None
        name = self._queue.popleft()
        self._taken.add(name)
        return Item(name, self._read(name))

    def gone(self) -> list[str]:
        """See `source.Source`."""
        gone, self._gone = self._gone, []
        return gone

    def fileno(self) -> None:
        """None: it is scanned by time."""

    def finish(self) -> None:
        """See `source.Source`. What waits in the folder is for the next one."""
        self._finished = True

    def close(self) -> None:
        """Nothing is held."""

    def _scan(self) -> None:
        found: dict[str, _Signature] = {}
        try:
            with os.scandir(self._path) as entries:
                for entry in entries:
                    if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        found[entry.name] = (status.st_size, status.st_mtime_ns)
        except OSError as error:
            found_text = (error.strerror or str(error)).lower()
            raise InputError(Problem(str(self._path), "a readable folder", found_text, "mount or mend it")) from None
        gone = [name for name in self._taken if name not in found]
        self._taken.difference_update(gone)
        self._gone += gone
        fresh = (name for name in found if name not in self._taken and self._seen.get(name) == found[name])
        self._queue.extend(sorted(fresh))
        self._seen = {name: signature for name, signature in found.items() if name not in self._taken}

    def _read(self, name: str) -> Array | InputError:
        kind = _KINDS.get(Path(name).suffix.lower(), "image")
        try:
            with (self._path / name).open("rb") as stream:
                body = stream.read(payload.MAX_BYTES + 1)
            return payload.decode(body, kind, where=name)
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            return InputError(Problem(name, "a readable file", found, "put it there again"))
        except InputError as error:
            return error
