"""From an offer to its bundle: as a patch against what is active, compressed, or whole, whichever is the first to work.

The offer's hash decides. A cheaper way that fails, for whatever reason, only costs what it fetched.
"""

from __future__ import annotations

import hashlib
import lzma
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from edge_agent.layout import Root
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.slots import Slots
from firmware_profiles import atomic
from firmware_profiles.errors import GodwitError, Problem, UnavailableError
from firmware_profiles.targets import Offer, Transport

MARGIN_BYTES = 8 << 20
"""Stays free: the spool, the journal and the system want to write too."""
_CHUNK_BYTES = 1 << 20
_XZ_MEMORY_BYTES = 100 << 20
_STEP = "try again, or bring it by a kit"


class Fetched(NamedTuple):
    """A bundle whose hash is that of its offer.

    Attributes:
        way: "full", "xz" or "bsdiff4"; "kept" if it was there already.
        fetched_bytes: by all ways together, in this process.
        passed_over: what became of the ways that failed.
    """

    path: Path
    way: str
    fetched_bytes: int
    passed_over: list[str]


class _Way(NamedTuple):
    kind: str
    path: str
    size_bytes: int
    sha256: str


def bundle_path(root: Root, sha256: str) -> Path:
    """Where the bundle of that hash lies when it is whole."""
    return root.download / f"{sha256}.godwit"


def fetch(root: Root, offer: Offer, carrier: Carrier, slots: Slots) -> Fetched:
    """Bring the bundle of `offer`.

    Raises:
        UnavailableError: there is no room for it, or no way led to it; what came is kept for the next time.
        OSError: the disk refused.
    """
    goal = bundle_path(root, offer.sha256)
    if _is(goal, offer.size_bytes, offer.sha256):
        return Fetched(goal, "kept", 0, [])
    _keep_only(root, offer)
    ways = _ways(offer, _sha256_of_active(offer, slots)) if carrier.is_network else [_whole(offer)]
    _check_room(root, offer, ways[0], slots)
    passed_over: list[str] = []
    fetched_bytes = 0
    for way in ways:
        part = root.download / f"{way.sha256}.part"
        before_bytes = _size(part)
        try:
            _bring(carrier, way, part)
            _become(goal, offer, part, way, slots)
        except (GodwitError, lzma.LZMAError, ValueError, ImportError, MemoryError) as error:
            fetched_bytes += max(0, _size(part) - before_bytes)
            passed_over.append(f"{way.kind}: {error}")
            if way.kind == "full":
                problems = error.problems if isinstance(error, GodwitError) else (_wrong(way),)
                raise UnavailableError(*problems) from None
            continue
        fetched_bytes += way.size_bytes - before_bytes
        part.unlink(missing_ok=True)
        return Fetched(goal, way.kind, fetched_bytes, passed_over)
    raise AssertionError("the last way is the whole bundle")


def _ways(offer: Offer, active_sha256: str) -> list[_Way]:
    """Cheapest first; a patch only against what is here, and only where it is under half of the whole."""
    usable = [each for each in offer.transports if _is_worth_it(each, offer, active_sha256)]
    cheaper = sorted(usable, key=lambda each: each.size_bytes)
    ways = [_Way(each.kind, each.path, each.size_bytes, each.sha256) for each in cheaper]
    return [*ways, _whole(offer)]


def _whole(offer: Offer) -> _Way:
    """The only way of a kit, which carries nothing else: reading it costs nothing."""
    return _Way("full", offer.path, offer.size_bytes, offer.sha256)


def _is_worth_it(transport: Transport, offer: Offer, active_sha256: str) -> bool:
    if transport.kind == "bsdiff4":
        return transport.from_sha256 == active_sha256 and transport.size_bytes * 2 < offer.size_bytes
    return transport.size_bytes < offer.size_bytes


def _sha256_of_active(offer: Offer, slots: Slots) -> str:
    """Hash of the bundle in the active slot; empty where no patch asks for it, or it cannot be told."""
    if offer.kind != "deployment" or not any(each.kind == "bsdiff4" for each in offer.transports):
        return ""
    return slots.sha256(slots.active())


def _check_room(root: Root, offer: Offer, way: _Way, slots: Slots) -> None:
    """Before anything is fetched.

    Raises:
        UnavailableError: the disk has no room for it.
    """
    at = os.statvfs(root.download)
    free_bytes = at.f_bavail * at.f_frsize
    idle = slots.path(slots.idle())
    reclaimed_bytes = sum(_size(path) for path in idle.rglob("*")) if idle.is_dir() else 0
    there_bytes = _size(root.download / f"{way.sha256}.part")
    transport_bytes = 0 if way.kind == "full" else way.size_bytes
    fetch_bytes = offer.size_bytes + transport_bytes - there_bytes + MARGIN_BYTES
    need_bytes = max(fetch_bytes, fetch_bytes + offer.size_bytes - reclaimed_bytes)
    if need_bytes > free_bytes:
        expected, found = f"{need_bytes / 1e6:.1f} MB of free space", f"{free_bytes / 1e6:.1f} MB"
        raise UnavailableError(Problem(str(root.folder), expected, found, "free some space"))


def _bring(carrier: Carrier, way: _Way, part: Path) -> None:
    """Fetch the file of one way; what an earlier power cut left of it may be damaged, and then has no second chance.

    Raises:
        UnavailableError: it does not come, or is another file.
    """
    resumed = _size(part) > 0
    for _ in range(2 if resumed else 1):
        carrier.fetch(way.path, way.size_bytes, part)
        if _is(part, way.size_bytes, way.sha256):
            return
        part.unlink()
    raise UnavailableError(_wrong(way))


def _wrong(way: _Way) -> Problem:
    return Problem(way.path, f"the file that was signed (sha256 {way.sha256[:12]}…)", "another one", _STEP)


def _become(goal: Path, offer: Offer, part: Path, way: _Way, slots: Slots) -> None:
    """Make the bundle of what one way brought.

    Raises:
        ValueError, lzma.LZMAError: it does not give the bundle that was signed.
    """
    if way.kind == "full":
        with part.open("rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(part, goal)
        atomic.sync_folder(goal.parent)
        return
    chunks = _decompressed(part) if way.kind == "xz" else _patched(part, offer, slots)
    digest, size_bytes = hashlib.sha256(), 0
    with atomic.writer(goal) as stream:
        for chunk in chunks:
            size_bytes += len(chunk)
            if size_bytes > offer.size_bytes:
                break
            digest.update(chunk)
            stream.write(chunk)
        if (size_bytes, digest.hexdigest()) != (offer.size_bytes, offer.sha256):
            raise ValueError("it does not give the bundle that was signed")


def _decompressed(part: Path) -> Iterator[bytes]:
    decompressor = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)
    with part.open("rb") as stream:
        while not decompressor.eof:
            packed = stream.read(_CHUNK_BYTES) if decompressor.needs_input else b""
            if not packed and decompressor.needs_input:
                raise ValueError("it ends early")
            yield decompressor.decompress(packed, _CHUNK_BYTES)


def _patched(part: Path, offer: Offer, slots: Slots) -> Iterable[bytes]:
    import bsdiff4  # late: a device that never gets a patch does without

    old = b"".join(slots.rebuilt(slots.active()))
    new: bytes = bsdiff4.patch(old, part.read_bytes())
    return (new,)


def _keep_only(root: Root, offer: Offer) -> None:
    """Remove what other offers left."""
    ours = {offer.sha256, *(each.sha256 for each in offer.transports)}
    for path in root.download.iterdir():
        if path.name.partition(".")[0] not in ours:
            path.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is(path: Path, size_bytes: int, sha256: str) -> bool:
    if _size(path) != size_bytes:
        return False
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest() == sha256
