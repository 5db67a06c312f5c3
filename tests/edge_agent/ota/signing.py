"""A repository as its owner or a thief of its keys would sign it: python-tuf alone, no code of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from edge_agent.clock import Moment
from edge_agent.layout import Root as DeviceRoot
from edge_agent.ota import reference
from edge_agent.ota.reference import Reference

NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
DAY = timedelta(days=1)
ROLES = ("root", "targets", "snapshot", "timestamp")
CUSTOM: dict[str, Any] = {
    "kind": "deployment",
    "deployment": "pets",
    "group": "default",
    "profile": "raspberry-pi-5",
    "version": "1.0",
}
NAME = "default/pets-1.0-raspberry-pi-5.godwit"


class Repository:
    """Signed files in a folder.

    Attributes:
        signers: role → those who sign it.
        root, targets, snapshot, timestamp: as they are signed next.
    """

    def __init__(self, folder: Path, expires: datetime = NOW + 30 * DAY) -> None:
        self.folder = folder
        (folder / "metadata").mkdir(parents=True)
        self.signers = {role: [CryptoSigner.generate_ed25519()] for role in ROLES}
        self.root = Root(expires=expires, consistent_snapshot=True)
        self.targets = Targets(expires=expires)
        self.snapshot = Snapshot(expires=expires)
        self.timestamp = Timestamp(expires=expires)
        for role in ROLES:
            self.root.add_key(self.signers[role][0].public_key, role)
        for role in ROLES:
            self.sign(role)

    def sign(self, role: str) -> bytes:
        """Sign a role's file as it stands, and write it."""
        signed = getattr(self, role)
        metadata = Metadata(signed)
        for signer in self.signers[role]:
            metadata.sign(signer, append=True)
        raw = metadata.to_bytes()
        name = "timestamp.json" if role == "timestamp" else f"{signed.version}.{role}.json"
        (self.folder / "metadata" / name).write_bytes(raw)
        return raw

    def publish(self, first: str = "targets") -> None:
        """Sign the next version of `first` and of everything that names it."""
        for role in ROLES[ROLES.index(first) :]:
            getattr(self, role).version += 1
            self.snapshot.meta["targets.json"] = MetaFile(self.targets.version)
            self.timestamp.snapshot_meta = MetaFile(self.snapshot.version)
            self.sign(role)

    def next_root(self, edit: Callable[[Root], None] = lambda root: None) -> bytes:
        """Sign the next root by the keys of this one and its own."""
        before = list(self.signers["root"])
        edit(self.root)
        self.root.version += 1
        mine = self.signers["root"]
        self.signers["root"] = [*before, *(signer for signer in mine if signer not in before)]
        raw = self.sign("root")
        self.signers["root"] = [each for each in mine if each.public_key.keyid in self.root.roles["root"].keyids]
        return raw

    def rekey(self, role: str) -> None:
        """Put a new key in the place of a role's, in the root as it is signed next."""
        new = CryptoSigner.generate_ed25519()
        for old in self.root.roles[role].keyids.copy():
            self.root.revoke_key(old, role)
        self.root.add_key(new.public_key, role)
        self.signers[role] = [*self.signers[role], new] if role == "root" else [new]

    def add(self, content: bytes, name: str = NAME, **custom: Any) -> Path:
        """Put a target in, and sign it; the path of its file."""
        target = TargetFile.from_data(name, content, ["sha256"])
        target.unrecognized_fields["custom"] = CUSTOM | custom
        self.targets.targets[name] = target
        group, _, file_name = name.rpartition("/")
        path = self.folder / "targets" / group / f"{hashlib.sha256(content).hexdigest()}.{file_name}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.publish()
        return path

    @property
    def first_root(self) -> bytes:
        """What a device is given at its installation."""
        return (self.folder / "metadata" / "1.root.json").read_bytes()


class Device:
    """A device root whose clock the test sets.

    Attributes:
        time: what its wall clock shows.
        trusted: whether that is synchronised.
        uptime_ms, boot: of the kernel.
    """

    def __init__(self, folder: Path) -> None:
        self.root = DeviceRoot(folder)
        self.time = NOW
        self.trusted = True
        self.uptime_ms = 60_000
        self.boot = "00000001"

    @property
    def reference(self) -> Reference:
        """Its reference time, as it is read from the disk."""
        return reference.load(self.root, lambda: Moment(self.boot, self.uptime_ms, self.time, self.trusted))

    def kept(self) -> dict[str, bytes]:
        """What it trusts: every file but the clock's."""
        folder = self.root.folder / "trust"
        files = (path for path in folder.rglob("*") if path.is_file() and path.name != "clock.json")
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}
