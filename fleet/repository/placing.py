"""Bundles and their transports get their places among the published files."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tuf.api.metadata import TargetFile

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.targets import Custom, Transport, target_path
from fleet.repository import transports
from fleet.repository.places import Places


def place(
    places: Places,
    bundle: Path,
    name: str,
    sha256: str,
    before: Sequence[tuple[TargetFile, Custom]],
    tell: Callable[[str], None],
) -> list[Transport]:
    """Copy `bundle` to the place of the target `name`, with the transports that pay.

    Args:
        sha256: of the bundle that was verified.
        before: what the same devices have had until now.
        tell: what is done, where it takes long.

    Raises:
        InputError: the bundle is another one by now.
    """
    predecessors = [(old, path) for old, path in _predecessors(places, before) if old != sha256]
    with tempfile.TemporaryDirectory(prefix=".adding-", dir=places.folder) as folder:
        copy = Path(folder) / "bundle"
        shutil.copyfile(bundle, copy)
        if transports.sha256_of(copy) != sha256:
            raise InputError(Problem(str(bundle), "the bundle that was verified", "another one", "try again"))
        made = list(transports.make(copy, name, predecessors, Path(folder), tell))
        for transport, file in made:
            _put(file, places.public / transport.path)
        _put(copy, places.public / target_path(name, sha256))
    return [transport for transport, _ in made]


def _predecessors(places: Places, before: Sequence[tuple[TargetFile, Custom]]) -> Iterator[tuple[str, Path]]:
    """(SHA-256, file) of what these devices may have now, newest first: the last one's, and what that one patched."""
    for target, custom in before:
        patched = [way.from_sha256 for way in custom.transports if way.from_sha256]
        for sha256 in (target.hashes["sha256"], *patched):
            bundles = (path for path in places.targets.rglob(f"{sha256}.*") if ".godwit" in path.suffix)
            if path := next(bundles, None):
                yield sha256, path


def _put(file: Path, path: Path) -> None:
    """Give `file` its name in the repository, flushed to the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
    file.chmod(0o644)
    os.replace(file, path)
    atomic.sync_folder(path.parent)
