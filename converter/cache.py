"""What earlier conversions found out, by the content of everything that it followed from.

An entry is a folder under the user's cache directory, named after its key, with files and their
hashes. It appears whole, by one rename, as soon as its step is done: a conversion that was stopped
goes on where it was. What is damaged, or does not fit on the disk, is as if it were not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from converter import contents

LIMIT_BYTES = 2 << 30
"""Together; what was not used for longest goes first."""

_ENTRY_LIMIT_BYTES = LIMIT_BYTES // 4
_INDEX = "index.json"
_MAKING = ".making-"


class Cache:
    """Files by key; of no use, but harmless, where the folder cannot be written."""

    def __init__(self, folder: Path | None) -> None:
        """Args: `folder` of the entries; None remembers nothing."""
        self.folder = folder

    def get(self, key: str) -> Path | None:
        """The folder of the entry, every file in it as it was put; None if there is none."""
        if self.folder is None:
            return None
        entry = self.folder / key
        try:
            index = msgspec.json.decode((entry / _INDEX).read_bytes(), type=dict[str, str])
            if any(contents.sha256(entry / name) != sha256 for name, sha256 in index.items()):
                raise ValueError("changed")
            os.utime(entry)
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            shutil.rmtree(entry, ignore_errors=True)
            return None
        return entry

    def put(self, key: str, files: Mapping[str, Path | bytes]) -> None:
        """Remember files (or their content) by name."""
        if self.folder is None:
            return
        sizes = [len(each) if isinstance(each, bytes) else each.stat().st_size for each in files.values()]
        if sum(sizes) > _ENTRY_LIMIT_BYTES:
            return
        making: str | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            making = tempfile.mkdtemp(prefix=_MAKING, dir=self.folder)
            _fill(Path(making), files)
            Path(making).rename(self.folder / key)
        except OSError:  # no space, no right, or another conversion was first
            if making:
                shutil.rmtree(making, ignore_errors=True)

    def trim(self) -> None:
        """Remove the entries that were not used for longest, until the rest is small enough."""
        if self.folder is None or not self.folder.is_dir():
            return
        entries = []
        for entry in self.folder.iterdir():
            with contextlib.suppress(OSError):  # another conversion removes it at the same time
                entries.append((entry.stat().st_mtime_ns, sum(file.stat().st_size for file in entry.iterdir()), entry))
        total = sum(size for _, size, _ in entries)
        for _, size, entry in sorted(entries):
            if total <= LIMIT_BYTES:
                break
            shutil.rmtree(entry, ignore_errors=True)
            total -= size


def key(*parts: object) -> str:
    """The key of what follows from these parts."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def default_folder() -> Path:
    """Where the user's cache lies."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "godwit" / "results"


def _fill(folder: Path, files: Mapping[str, Path | bytes]) -> None:
    for name, content in files.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            shutil.copyfile(content, folder / name)
    index = {name: contents.sha256(folder / name) for name in files}
    (folder / _INDEX).write_bytes(msgspec.json.encode(index))
