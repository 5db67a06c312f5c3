"""Two slots and the links that name one of them: what the updater changes, in the order that survives a power cut."""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from edge_agent.deployment import read_slot
from edge_agent.ota.journal import Slot
from firmware_profiles import atomic, canonical_zip
from firmware_profiles.bundle import Bundle
from firmware_profiles.canonical_zip import Member
from firmware_profiles.errors import BundleError
from firmware_profiles.manifest import MANIFEST_NAME

_CHUNK_BYTES = 1 << 20
_FOLDER_MODE = 0o755
"""Whatever the umask: the agent, another user, must read what lies there."""


class Slots(NamedTuple):
    """The slots in `folder`."""

    folder: Path

    def active(self) -> Slot:
        """The slot that runs; empty before the first installation."""
        return self._named_by("active")

    def proven(self) -> Slot:
        """The slot that did well; empty where none is known to."""
        return self._named_by("proven")

    def idle(self) -> Slot:
        """The slot that does not run."""
        return "b" if self.active() == "a" else "a"

    def path(self, slot: Slot) -> Path:
        """Where it lies."""
        return self.folder / slot

    def activate(self, slot: Slot) -> None:
        """Let `slot` run from now on: one rename."""
        atomic.replace_link(self.folder / "active", slot)

    def prove(self, slot: Slot) -> None:
        """Remember that `slot` did well."""
        atomic.replace_link(self.folder / "proven", slot)

    def stage(self, bundle: Bundle, slot: Slot) -> None:
        """Unpack a verified bundle into an idle slot: whole and durable, or not at all.

        Raises:
            OSError: the disk refused.
        """
        staged = self.folder / f".{slot}.tmp"
        self.wipe(slot)
        staged.mkdir()
        bundle.extract(staged)
        for folder, _, _ in os.walk(staged):
            Path(folder).chmod(_FOLDER_MODE)
            atomic.sync_folder(Path(folder))
        os.replace(staged, self.path(slot))
        atomic.sync_folder(self.folder)

    def wipe(self, slot: Slot) -> None:
        """Remove what lies in an idle slot.

        Raises:
            OSError: the disk refused, or somebody runs from it.
        """
        if slot == self.active():
            raise OSError(0, f"slot {slot} is active")
        for path in (self.folder / f".{slot}.tmp", self.path(slot)):
            if path.exists():
                shutil.rmtree(path)
        atomic.sync_folder(self.folder)

    def is_whole(self, slot: Slot) -> bool:
        """Whether every byte of a deployment in `slot` is what its manifest says."""
        try:
            read_slot(self.path(slot)).verify()
        except BundleError:
            return False
        return bool(slot)

    def rebuilt(self, slot: Slot) -> Iterator[bytes]:
        """The bundle that `slot` was unpacked from, byte for byte.

        Raises:
            BundleError: nothing that can be read lies there.
            OSError: a member cannot be read.
        """
        folder = self.path(slot)
        manifest = read_slot(folder).manifest
        return canonical_zip.stream([_member(folder, name) for name in (MANIFEST_NAME, *sorted(manifest.files))])

    def sha256(self, slot: Slot) -> str:
        """Hash of the bundle that `slot` was unpacked from; empty where nothing that can be read lies there."""
        digest = hashlib.sha256()
        try:
            for chunk in self.rebuilt(slot):
                digest.update(chunk)
        except (BundleError, OSError):
            return ""
        return digest.hexdigest()

    def _named_by(self, link: str) -> Slot:
        try:
            target = str((self.folder / link).readlink())
        except OSError:
            return ""
        return target if target in ("a", "b") else ""  # type: ignore[return-value]  # mypy does not narrow by `in`


def _member(folder: Path, name: str) -> Member:
    size_bytes, crc32 = 0, 0
    for chunk in _chunks(folder / name):
        size_bytes, crc32 = size_bytes + len(chunk), zlib.crc32(chunk, crc32)
    return Member(name, size_bytes, crc32, lambda: _chunks(folder / name))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield chunk
