"""Verified metadata on the device's disk: each file whole, whenever power is cut."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from urllib.parse import quote

from edge_agent.ota.carrier import MAX_TARGETS_BYTES
from edge_agent.ota.trust import Trust
from firmware_profiles import atomic
from firmware_profiles.errors import Problem, TrustError

_VERSIONED_ROOT = re.compile(r"^([1-9][0-9]{0,9})\.root\.json\Z")


class Store:
    """A folder of metadata that was verified once: the newest of each role, and every root in `roots/N.root.json`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, role: str) -> bytes | None:
        """The file of a role; None if there is none that can be read."""
        try:
            with self._path(role).open("rb") as stream:
                return stream.read(MAX_TARGETS_BYTES)
        except OSError:
            return None

    def write(self, role: str, data: bytes) -> None:
        """Replace the file of a role, atomically."""
        atomic.write_bytes(self._path(role), data)

    def write_root(self, version: int, data: bytes) -> None:
        """Keep a root under its version, then as the newest."""
        path = self._root(version)
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_bytes(path, data)
        self.write("root", data)

    def has_root(self, version: int, data: bytes) -> bool:
        """Whether just this root was trusted once."""
        try:
            return self._root(version).read_bytes() == data
        except OSError:
            return False

    def forget(self, *roles: str) -> None:
        """Remove the files of `roles`, for good."""
        for role in roles:
            self._path(role).unlink(missing_ok=True)
        atomic.sync_folder(self.folder)

    def trust(self) -> Trust:
        """Begin with the newest root that is whole: `root.json`, or else one of those by version.

        Raises:
            TrustError: there is none.
        """
        for path in (self._path("root"), *self._versioned_roots()):
            with contextlib.suppress(OSError, TrustError):
                raw = path.read_bytes()
                trust = Trust(raw)
                if path != self._path("root"):
                    self.write("root", raw)
                return trust
        step = "install with --trust-root FILE"
        raise TrustError(Problem(str(self.folder), "a trusted root of a repository", "none", step))

    def _versioned_roots(self) -> list[Path]:
        paths = self._root(0).parent.glob("*.json")
        found = [(int(match[1]), path) for path in paths if (match := _VERSIONED_ROOT.match(path.name))]
        return [path for _, path in sorted(found, reverse=True)]

    def _root(self, version: int) -> Path:
        return self.folder / "roots" / f"{version}.root.json"

    def _path(self, role: str) -> Path:
        return self.folder / f"{quote(role, safe='')}.json"
