"""Bytes and a reference time become verified objects: The Update Framework 1.0.34, section 5, without any I/O.

The rules, in the order in which `refreshing` brings the files:

1. A root is the next version of the one before, signed by the threshold of both: the one before, and itself.
   How long an intermediate root was valid does not matter.
2. A root with a reset is also taken over a gap in the versions, if the threshold of the trusted root signed it.
3. If none of a role's keys is left, of timestamp or of snapshot, what was known of both is forgotten (5.3.11).
4. A timestamp is taken under a root that has not expired. It is not older than the one before, and neither is the
   snapshot that it names. Of two with the same version the first stays, unless it can no longer serve and the other
   one names the same snapshot: it has expired, or came in a kit while the other one came over a network.
5. A kit's timestamp, which lives long, is not taken from a network: it would let others freeze a device.
6. A snapshot is what the timestamp names: its version, and its length and hash where they are given. It still has
   every targets file of the one before, none of them older.
7. A targets file is what the snapshot names, and signed by the keys of whoever delegated to it.
8. Timestamp, snapshot and targets have not expired at the reference time.

What broke a rule leaves what was trusted before in place.
"""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Signed, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError

from firmware_profiles.errors import Problem, TrustError
from firmware_profiles.targets import read_note

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)

_STAYS = "the device stays as it is; ask whoever signs the repository"
_RENEW = "sign the repository again, or correct the time"


class Trust:
    """What is verified so far, from one trusted root on.

    Attributes:
        root: the newest verified one.
        timestamp, snapshot: the newest verified ones; not necessarily valid now.
        targets: by (delegating role, role).
    """

    def __init__(self, root: bytes) -> None:
        """Begin with a root that is trusted from elsewhere.

        Raises:
            TrustError: it is not a root, or does not verify itself.
        """
        self.root = _load(Root, root, "root.json").signed
        _verify(self.root, "root", root, "root.json")
        self.timestamp: Timestamp | None = None
        self.snapshot: Snapshot | None = None
        self.targets: dict[tuple[str, str], Targets] = {}

    def update_root(self, data: bytes) -> bool:
        """Take the next root; say whether what was known of timestamp and snapshot is to be forgotten.

        Raises:
            TrustError: it is not the next one, or not signed by this one and itself.
        """
        wanted = self.root.version + 1
        name = f"{wanted}.root.json"
        new = _load(Root, data, name).signed
        _verify(self.root, "root", data, name)
        if new.version != wanted:
            raise _refused(name, f"version {wanted}", f"version {new.version}")
        return self._take_root(new, data, name)

    def jump(self, data: bytes, name: str) -> bool:
        """Take a root with a reset, whatever versions lie between; say as `update_root` does.

        Raises:
            TrustError: it has no reset, is not newer, or is not signed by this one and itself.
        """
        new = _load(Root, data, name).signed
        _verify(self.root, "root", data, name)
        if read_note(new.unrecognized_fields).reset is None:
            raise _refused(name, "a root with a reset", "one without")
        if new.version <= self.root.version:
            raise _refused(name, f"a version above {self.root.version}", f"version {new.version}")
        return self._take_root(new, data, name)

    def _take_root(self, new: Root, data: bytes, name: str) -> bool:
        _verify(new, "root", data, name)
        rotated = any(
            set(self.root.roles[role].keyids).isdisjoint(new.roles[role].keyids) for role in ("timestamp", "snapshot")
        )
        self.root = new
        if rotated:
            self.timestamp = self.snapshot = None
        return rotated

    def restore(self, timestamp: bytes | None, snapshot: bytes | None) -> None:
        """Take what was verified and kept at an earlier time, as far as this root's keys still sign it.

        It may have expired, and is then only what newer files are compared with.
        """
        try:
            if timestamp is not None:
                self.timestamp = _signed_by(self.root, Timestamp, timestamp, "timestamp")
            if snapshot is not None and self.timestamp is not None:
                self.snapshot = _signed_by(self.root, Snapshot, snapshot, "snapshot")
        except TrustError:
            return

    def update_timestamp(self, data: bytes, now: datetime, *, network: bool) -> bool:
        """Take a timestamp, if it is newer than what is known; say whether it was taken.

        Raises:
            TrustError: the root has expired, or rule 4, 5 or 8 is broken.
        """
        _check_fresh(self.root, f"{self.root.version}.root.json", now)
        new = _signed_by(self.root, Timestamp, data, "timestamp")
        if network and read_note(new.unrecognized_fields).kit:
            raise _refused("timestamp.json", "a repository's timestamp", "a kit's, which is for folders")
        taken = self.timestamp is None or self._is_newer(self.timestamp, new, now, network)
        if taken:
            self.timestamp = new
        self.check_timestamp(now, network=network)
        return taken

    def check_timestamp(self, now: datetime, *, network: bool) -> Timestamp:
        """The timestamp, if it can serve now.

        Raises:
            TrustError: there is none, it has expired, or is a kit's and not for a network.
        """
        known = _present(self.timestamp, "timestamp.json")
        _check_fresh(known, "timestamp.json", now)
        if network and read_note(known.unrecognized_fields).kit:
            raise _refused("timestamp.json", "one newer than the kit's that was installed last", "none")
        return known

    def _is_newer(self, old: Timestamp, new: Timestamp, now: datetime, network: bool) -> bool:
        if new.version < old.version:
            raise _refused("timestamp.json", f"version {old.version} or newer", f"version {new.version}, a rollback")
        if new.version == old.version:
            useless = old.is_expired(now) or (network and read_note(old.unrecognized_fields).kit)
            return useless and new.snapshot_meta.version == old.snapshot_meta.version
        if new.snapshot_meta.version < old.snapshot_meta.version:
            expected = f"snapshot version {old.snapshot_meta.version} or newer"
            raise _refused("timestamp.json", expected, f"version {new.snapshot_meta.version}, a rollback")
        return True

    def has_snapshot(self, now: datetime) -> bool:
        """Whether the snapshot that is known is the one that the timestamp names, and has not expired."""
        return (
            self.snapshot is not None
            and self.snapshot.version == self.snapshot_meta().version
            and not self.snapshot.is_expired(now)
        )

    def snapshot_meta(self) -> MetaFile:
        """What the timestamp says of the snapshot."""
        return _present(self.timestamp, "timestamp.json").snapshot_meta

    def update_snapshot(self, data: bytes, now: datetime) -> None:
        """Take the snapshot that the timestamp names.

        Raises:
            TrustError: rule 6 or 8 is broken.
        """
        meta = self.snapshot_meta()
        _check_content(meta, data, "snapshot.json")
        new = _signed_by(self.root, Snapshot, data, "snapshot")
        if new.version != meta.version:
            raise _refused("snapshot.json", f"version {meta.version}", f"version {new.version}, mixed from elsewhere")
        for name, old in (self.snapshot.meta if self.snapshot else {}).items():
            if name not in new.meta:
                raise _refused("snapshot.json", f"{name}, as in the one before", "none")
            if new.meta[name].version < old.version:
                found = f"version {new.meta[name].version}, a rollback"
                raise _refused("snapshot.json", f"{name} in version {old.version} or newer", found)
        _check_fresh(new, "snapshot.json", now)
        self.snapshot = new

    def targets_meta(self, role: str) -> MetaFile:
        """What the snapshot says of a targets file.

        Raises:
            TrustError: the snapshot does not name it.
        """
        meta = _present(self.snapshot, "snapshot.json").meta.get(f"{role}.json")
        if meta is None:
            raise _refused("snapshot.json", f"a version of {role}.json", "none")
        return meta

    def update_targets(self, data: bytes, now: datetime, role: str = "targets", delegator: str = "root") -> Targets:
        """Take a targets file that the snapshot names and `delegator` delegated to.

        Raises:
            TrustError: rule 7 or 8 is broken.
        """
        name, meta = f"{role}.json", self.targets_meta(role)
        _check_content(meta, data, name)
        new = _signed_by(self._delegator(delegator), Targets, data, role)
        if new.version != meta.version:
            raise _refused(name, f"version {meta.version}", f"version {new.version}, mixed from elsewhere")
        _check_fresh(new, name, now)
        self.targets[delegator, role] = new
        return new

    def _delegator(self, role: str) -> Root | Targets:
        if role == "root":
            return self.root
        return next(targets for (_, name), targets in self.targets.items() if name == role)


def _load(kind: type[S], data: bytes, name: str) -> Metadata[S]:
    try:
        metadata = Metadata[S].from_bytes(data)
    except (DeserializationError, RecursionError) as error:
        raise _refused(name, f"signed {kind.type} metadata of TUF", _reason(error)) from None
    if metadata.signed.type != kind.type:
        raise _refused(name, f"{kind.type} metadata", f"{metadata.signed.type} metadata")
    return metadata


def _signed_by(delegator: Root | Targets, kind: type[S], data: bytes, role: str) -> S:
    name = f"{role}.json"
    signed = _load(kind, data, name).signed
    _verify(delegator, role, data, name)
    return signed


def _verify(delegator: Root | Targets, role: str, data: bytes, name: str) -> None:
    metadata = Metadata.from_bytes(data)
    try:
        delegator.verify_delegate(role, metadata.signed_bytes, metadata.signatures)
    except (RepositoryError, ValueError) as error:
        raise _refused(name, f"signatures of {role}'s threshold of trusted keys", _reason(error)) from None


def _check_content(meta: MetaFile, data: bytes, name: str) -> None:
    try:
        meta.verify_length_and_hashes(data)
    except (RepositoryError, ValueError) as error:
        raise _refused(name, "the length and hash that were signed", _reason(error)) from None


def _check_fresh(signed: Signed, name: str, now: datetime) -> None:
    if signed.is_expired(now):
        expected = f"metadata that is valid at {now:%Y-%m-%d %H:%M} UTC"
        found = f"version {signed.version}, which expired at {signed.expires:%Y-%m-%d %H:%M}"
        raise TrustError(Problem(name, expected, found, _RENEW))


def _present(known: S | None, name: str) -> S:
    if known is None:
        raise _refused(name, "a verified one", "none")
    return known


def _refused(where: str, expected: str, found: str) -> TrustError:
    return TrustError(Problem(where, expected, found, _STAYS))


def _reason(error: Exception) -> str:
    text = str(error) or type(error).__name__
    return text[:1].lower() + text[1:200]
