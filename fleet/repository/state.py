"""What a repository says now, and how it comes to say something else: all of it, or nothing.

A change writes files under new names first (bundles, N.targets.json, N.snapshot.json); then one rename, that of
timestamp.json, makes devices see them. Whatever was cut off before that is written again by the next change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TypeVar

import msgspec
from securesystemslib.signer import Signer
from tuf.api.exceptions import RepositoryError, UnsignedMetadataError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, TrustError
from firmware_profiles.targets import Note, write_note
from fleet.repository import settings
from fleet.repository.places import Places
from fleet.repository.settings import Role
from fleet.repository.signers import Keyring

S = TypeVar("S", Root, Targets, Snapshot, Timestamp)


def utc_now() -> datetime:
    """Now, in whole seconds, as TUF writes it."""
    return datetime.now(timezone.utc).replace(microsecond=0)


class State:
    """The newest metadata of a repository, verified from its root on.

    Attributes:
        root, targets, snapshot, timestamp: what is published; to be changed in place, then `publish`ed.
        unsigned: roles whose file is signed for the root before only: a change of keys was cut off before its end.
    """

    def __init__(self, places: Places) -> None:
        """Read what is published, and bring to its end what was cut off.

        Raises:
            InputError: the settings cannot be read.
            TrustError: what lies there is not what this repository signed.
        """
        self.places = places
        self.settings = settings.load(places)
        self.unsigned: set[Role] = set()
        self.root = self.signed_root(max(self.settings.roots))
        self.timestamp = self._signed(Timestamp, "timestamp", "timestamp.json")
        self.snapshot = self._signed(Snapshot, "snapshot", f"{self.timestamp.snapshot_meta.version}.snapshot.json")
        of_targets = self.snapshot.meta["targets.json"].version
        self.targets = self._signed(Targets, "targets", f"{of_targets}.targets.json")

    def signed_root(self, version: int) -> Root:
        """A root that was signed here.

        Raises:
            TrustError: another file lies in its place.
        """
        path = self.places.metadata / f"{version}.root.json"
        wanted = self.settings.roots[version]
        if not path.exists() and self.places.next_root.exists():
            newest = self.places.next_root.read_bytes()
            if hashlib.sha256(newest).hexdigest() == wanted:
                atomic.write_bytes(path, newest)
        raw = _read(path)
        if hashlib.sha256(raw).hexdigest() != wanted:
            raise _foreign(path, "the root that was signed here")
        return _metadata(Root, raw, path).signed

    def _signed(self, kind: type[S], role: Role, name: str) -> S:
        path = self.places.metadata / name
        metadata = _metadata(kind, _read(path), path)
        for root in self._roots():
            try:
                root.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
            except (RepositoryError, ValueError):
                continue
            if root is not self.root:
                self.unsigned.add(role)
            return metadata.signed
        raise _foreign(path, f"signatures of {role}'s keys")

    def _roots(self) -> Iterator[Root]:
        yield self.root
        if self.settings.signed_for != self.root.version:
            yield self.signed_root(self.settings.signed_for)


def publish(state: State, keys: Keyring, changed: Iterable[Role]) -> list[str]:
    """Sign what changed, and what names it, and make it public.

    Returns:
        Names of the metadata files that were written.

    Raises:
        InputError: keys are missing; nothing is written then.
    """
    return write(state, prepare(state, keys, changed))


def prepare(state: State, keys: Keyring, changed: Iterable[Role]) -> dict[str, bytes]:
    """Name → content of what is to be published: what changed, and what names it.

    Raises:
        InputError: keys are missing.
    """
    todo = follow({*changed, *state.unsigned})
    signers = {role: keys.signers(state.root, role) for role in todo}
    files: dict[str, bytes] = {}
    for role in todo:
        signed = _next(state, role)
        name = f"{signed.version}.{role}.json" if role != "timestamp" else "timestamp.json"
        files[name] = sign(signed, signers[role])
    return files


def write(state: State, files: Mapping[str, bytes]) -> list[str]:
    """Make public what was prepared; the timestamp comes last."""
    for name, raw in files.items():
        atomic.write_bytes(state.places.metadata / name, raw)
    if state.settings.signed_for != state.root.version:
        state.settings = msgspec.structs.replace(state.settings, signed_for=state.root.version)
        settings.save(state.places, state.settings)
    return list(files)


def follow(changed: Iterable[Role]) -> tuple[Role, ...]:
    """What is to be signed where `changed` changed: all that names it, in the order of publication."""
    order: tuple[Role, ...] = ("targets", "snapshot", "timestamp")
    return order[min((order.index(role) for role in changed if role in order), default=len(order)) :]


def _next(state: State, role: Role) -> Targets | Snapshot | Timestamp:
    """The next version of a role, as it will be signed."""
    signed: Targets | Snapshot | Timestamp = getattr(state, role)
    signed.version += 1
    stamp(signed, state.settings.expires_days[role])
    if isinstance(signed, Snapshot):
        signed.meta = {"targets.json": MetaFile(state.targets.version)}
    elif isinstance(signed, Timestamp):
        signed.snapshot_meta = MetaFile(state.snapshot.version)
    return signed


def stamp(signed: Root | Targets | Snapshot | Timestamp, days: int, note: Note | None = None) -> None:
    """Say when it is signed, and until when it is valid."""
    now = utc_now()
    signed.expires = now + timedelta(days=days)
    signed.unrecognized_fields.update(write_note(msgspec.structs.replace(note or Note(), signed_at=now)))


def sign(signed: Root | Targets | Snapshot | Timestamp, signers: Iterable[Signer]) -> bytes:
    """Metadata with the signatures of all `signers`.

    Raises:
        InputError: one of them, in a token or a key service, did not sign.
    """
    metadata: Metadata[Root | Targets | Snapshot | Timestamp] = Metadata(signed)  # type: ignore[type-var]
    for signer in signers:
        try:
            metadata.sign(signer, append=True)
        except UnsignedMetadataError as error:
            found = " ".join(str(error.__cause__ or error).split())[:200] or type(error.__cause__).__name__
            step = "is the token plugged in, and its PIN right?"
            where = f"key {signer.public_key.keyid[:8]} of {signed.type}"
            raise InputError(Problem(where, "its signature", found, step)) from None
    return metadata.to_bytes()


def publish_root(state: State, raw: bytes, keys: Mapping[str, str]) -> str:
    """Make a signed root public. What is cut off in between is brought to its end by the next command.

    Args:
        keys: key id → URI of private keys that are new.

    Returns:
        The name of its file.
    """
    version, sha256 = state.root.version, hashlib.sha256(raw).hexdigest()
    atomic.write_bytes(state.places.next_root, raw)
    declared = state.settings
    state.settings = msgspec.structs.replace(
        declared, keys={**declared.keys, **keys}, roots={**declared.roots, version: sha256}
    )
    settings.save(state.places, state.settings)
    name = f"{version}.root.json"
    atomic.write_bytes(state.places.metadata / name, raw)
    return name


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _foreign(path, "the repository's own file", (error.strerror or "").lower()) from None


def _metadata(kind: type[S], raw: bytes, path: Path) -> Metadata[S]:
    try:
        metadata = Metadata[S].from_bytes(raw)
    except (DeserializationError, RecursionError):
        raise _foreign(path, f"{kind.type} metadata") from None
    if metadata.signed.type != kind.type:
        raise _foreign(path, f"{kind.type} metadata", f"{metadata.signed.type} metadata")
    return metadata


def _foreign(path: Path, expected: str, found: str = "something else") -> TrustError:
    step = "somebody changed the published folder: restore it from a copy before you sign anything"
    return TrustError(Problem(str(path), expected, found, step))
