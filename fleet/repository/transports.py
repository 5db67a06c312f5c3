"""Cheaper ways to a bundle: compressed, and as a patch of an earlier one.

- "xz" is published where it saves a twentieth of the bundle, which pays for the unpacking.
- "bsdiff4" patches make a bundle out of one of its three predecessors for the same device and group. One is published
  where it is under half the bundle's full size, and smaller than the "xz". Bundles of more than 64 MiB get none,
  since making one takes 17 times the size in memory, and applying one needs both bundles in memory.

Models of which every weight changed gain nothing from a patch; then there is none.
"""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import bsdiff4

from firmware_profiles.targets import Transport, target_path

PREDECESSORS = 3
MAX_PATCHED_BYTES = 64 << 20
_PRESET = 6  # needs 9 MiB of memory to unpack; the higher ones are made for larger windows
_CHUNK_BYTES = 1 << 20
_QUIET_BYTES = 4 << 20


class Made(NamedTuple):
    """A transport, and the file that was made for it."""

    transport: Transport
    file: Path


def make(
    bundle: Path, name: str, predecessors: Sequence[tuple[str, Path]], folder: Path, tell: Callable[[str], None]
) -> Iterator[Made]:
    """Make the transports of `bundle` that pay, as files in `folder`.

    Args:
        name: of the target.
        predecessors: (SHA-256, file) of earlier bundles, newest first.
        tell: what is done, where it takes long.
    """
    full_bytes = bundle.stat().st_size
    said = tell if full_bytes > _QUIET_BYTES else _nobody
    said(f"compressing {name} ({full_bytes >> 20} MiB)")
    packed = folder / "xz"
    _compress(bundle, packed)
    packed_bytes = packed.stat().st_size
    if packed_bytes * 20 < full_bytes * 19:
        yield _made("xz", packed, f"{name}.xz", None)
    if full_bytes > MAX_PATCHED_BYTES:
        return
    for sha256, old in predecessors[:PREDECESSORS]:
        if old.stat().st_size > MAX_PATCHED_BYTES:
            continue
        said(f"comparing {name} with the bundle {sha256[:12]}")
        patch = folder / f"{sha256}.bsdiff4"
        bsdiff4.file_diff(str(old), str(bundle), str(patch))
        if patch.stat().st_size < min(full_bytes // 2, packed_bytes):
            yield _made("bsdiff4", patch, f"{name}.{sha256[:12]}.bsdiff4", sha256)


def _nobody(_said: str) -> None:
    """Small bundles take no time worth a word."""


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _made(kind: str, file: Path, name: str, from_sha256: str | None) -> Made:
    sha256 = sha256_of(file)
    size_bytes = file.stat().st_size
    transport = Transport(kind, target_path(name, sha256), size_bytes, sha256, from_sha256)  # type: ignore[arg-type]
    return Made(transport, file)


def _compress(source: Path, into: Path) -> None:
    with source.open("rb") as stream, lzma.open(into, "wb", preset=_PRESET) as out:
        while chunk := stream.read(_CHUNK_BYTES):
            out.write(chunk)
