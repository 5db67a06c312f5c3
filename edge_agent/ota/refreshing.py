"""Bring a device's trust up to date, and find what there is for it."""

from __future__ import annotations

import msgspec
from tuf.api.metadata import TargetFile, Targets

from edge_agent.layout import Root
from edge_agent.ota import carrier as limits
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.reference import Reference
from edge_agent.ota.store import Store
from edge_agent.ota.trust import Trust
from firmware_profiles.errors import Problem, TrustError, UnavailableError
from firmware_profiles.targets import (
    RESET_FILE,
    Custom,
    Kind,
    Offer,
    read_custom,
    read_note,
    target_path,
)

_MAX_ROOTS = 256


def pin(root: Root, root_json: bytes) -> None:
    """Make `root_json` the device's initial trust; nothing changes where the device trusts it already.

    Raises:
        TrustError: it is not a root that verifies itself, or the device trusts another one.
        UnavailableError: it could not be written.
    """
    given = Trust(root_json)
    store = Store(root.trust)
    if store.has_root(given.root.version, root_json):
        return
    if store.read("root") is not None:
        step = "remove its folder trust by hand if it is to trust another repository"
        raise TrustError(Problem(str(root.folder), "a device without trust, or with this root", "another root", step))
    try:
        store.write_root(given.root.version, root_json)
    except OSError as error:
        raise _unwritable(store, error) from None


def refresh(root: Root, carrier: Carrier, reference: Reference) -> Targets:
    """Bring the device's metadata up to date (TUF 1.0.34, section 5) and keep each file that verified.

    Raises:
        TrustError: the device trusts no repository yet, or something does not verify.
        UnavailableError: the carrier could not bring it, or it could not be written.
    """
    store = Store(root.trust)
    return Refresh(store, carrier, reference).run()


class Refresh:
    """One run over one repository.

    Attributes:
        trust: what is verified so far.
    """

    def __init__(self, store: Store, carrier: Carrier, reference: Reference) -> None:
        """Begin with what the device trusts.

        Raises:
            TrustError: it trusts no repository yet.
        """
        self.trust = store.trust()
        self._store = store
        self._carrier = carrier
        self._reference = reference
        self._now = reference.now()

    def run(self) -> Targets:
        """As `refresh`."""
        try:
            try:
                self._reference.begin(read_note(self.trust.root.unrecognized_fields).signed_at)
                try:
                    return self._in_order()
                except TrustError:
                    if not self._jumped():
                        raise
                    return self._in_order()
            finally:
                self._reference.keep()
        except OSError as error:
            raise _unwritable(self._store, error) from None

    def load(self, role: str, delegator: str) -> Targets:
        """A targets file, from the store if it is the one that the snapshot names, else from the repository.

        Raises:
            TrustError, UnavailableError: as `refresh`.
        """
        now = self._now
        meta = self.trust.targets_meta(role)
        kept = self._store.read(role)
        if kept is not None:
            try:
                return self.trust.update_targets(kept, now, role, delegator)
            except TrustError:
                pass  # an older one
        data = self._metadata(self._versioned(role, meta.version), meta.length or limits.MAX_TARGETS_BYTES)
        targets = self.trust.update_targets(data, now, role, delegator)
        self._store.write(role, data)
        return targets

    def _in_order(self) -> Targets:
        self._roots()
        self._now = self._reference.now()  # one time for all that is judged from here on
        self.trust.restore(self._store.read("timestamp"), self._store.read("snapshot"))
        self._timestamp()
        self._snapshot()
        return self.load("targets", "root")

    def _roots(self) -> None:
        for _ in range(_MAX_ROOTS):
            name = f"{self.trust.root.version + 1}.root.json"
            data = self._carrier.metadata(name, limits.MAX_ROOT_BYTES)
            if data is None:
                return
            self._keep_root(data, rotated=self.trust.update_root(data))

    def _jumped(self) -> bool:
        """Whether the repository has a way out for those who have lost the chain of roots, and it verifies."""
        try:
            data = self._carrier.metadata(RESET_FILE, limits.MAX_ROOT_BYTES)
            rotated = data is not None and self.trust.jump(data, RESET_FILE)
        except (TrustError, UnavailableError):
            return False
        if data is None:
            return False
        self._keep_root(data, rotated)
        return True

    def _keep_root(self, data: bytes, rotated: bool) -> None:
        if rotated:
            # First, so that a power cut cannot leave them beside a root that would not tell.
            self._store.forget("timestamp", "snapshot")
        if (time := read_note(self.trust.root.unrecognized_fields).reset) is not None:
            self._reference.reset(time)
            self._reference.keep()
        self._store.write_root(self.trust.root.version, data)

    def _timestamp(self) -> None:
        data = self._metadata("timestamp.json", limits.MAX_TIMESTAMP_BYTES)
        network = self._carrier.is_network
        if self.trust.update_timestamp(data, self._now, network=network):
            self._store.write("timestamp", data)
        timestamp = self.trust.check_timestamp(self._now, network=network)
        note = read_note(timestamp.unrecognized_fields)
        self._reference.learn(self._store.read("timestamp") or data, note.signed_at, timestamp.expires)

    def _snapshot(self) -> None:
        now = self._now
        if self.trust.has_snapshot(now):
            return
        meta = self.trust.snapshot_meta()
        data = self._metadata(self._versioned("snapshot", meta.version), meta.length or limits.MAX_SNAPSHOT_BYTES)
        self.trust.update_snapshot(data, now)
        self._store.write("snapshot", data)

    def _versioned(self, role: str, version: int) -> str:
        return f"{version}.{role}.json" if self.trust.root.consistent_snapshot else f"{role}.json"

    def _metadata(self, name: str, limit_bytes: int) -> bytes:
        data = self._carrier.metadata(name, limit_bytes)
        if data is None:
            step = "is it a repository, or a kit? try again when it is whole"
            raise UnavailableError(Problem(f"metadata/{name}", "a file of the repository", "none", step))
        return data


def choose(targets: Targets, profile: str, group: str, kind: Kind = "deployment", python: str = "") -> Offer | None:
    """What verified `targets` have for a device of that profile and group; None for nothing.

    Args:
        python: for an agent's code, the device's Python as "cp311".

    Raises:
        TrustError: they contradict themselves: two for one device, or one that cannot be read.
    """
    offers = []
    for target in targets.targets.values():
        try:
            custom = read_custom(target.custom)
            if custom and (custom.kind, custom.profile, custom.group, custom.python) == (kind, profile, group, python):
                offers.append(_offer(target, custom))
        except ValueError as error:
            step = "this agent may be too old for the repository; update it"
            where = f"targets.json {target.path}"
            raise TrustError(Problem(where, "a target that can be offered", str(error), step)) from None
    if len(offers) > 1:
        found = ", ".join(offer.name for offer in offers)
        step = "ask whoever signs the repository to leave one"
        raise TrustError(Problem("targets.json", f"one {kind} for {profile} in the group {group}", found, step))
    return offers[0] if offers else None


def _offer(target: TargetFile, custom: Custom) -> Offer:
    sha256 = target.hashes.get("sha256", "")
    shared = {name: getattr(custom, name) for name in ("kind", "deployment", "version", "transports")}
    path = target_path(target.path, sha256)
    own = {"name": target.path, "path": path, "size_bytes": target.length, "sha256": sha256}
    return msgspec.convert(shared | own, Offer)


def _unwritable(store: Store, error: OSError) -> UnavailableError:
    found = (error.strerror or str(error)).lower()
    step = "check its rights and its free space"
    return UnavailableError(Problem(str(store.folder), "a folder to write to", found, step))
