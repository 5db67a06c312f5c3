"""A small signed repository, made in a moment: one key for every role, in memory."""

from __future__ import annotations

import hashlib
import lzma
import shutil
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import bsdiff4
import msgspec
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from firmware_profiles.bundle import Bundle
from firmware_profiles.targets import Custom, Transport, target_name, target_path


class Repository:
    """In `folder`: a kit, and a repository for any HTTP server.

    Attributes:
        lives: what is signed from now on is valid for so long.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "metadata").mkdir(parents=True)
        (folder / "targets").mkdir()
        self._signer = CryptoSigner.generate_ed25519()
        self._version = 0
        self.lives = timedelta(days=365)
        root = Root(expires=self._expires(), consistent_snapshot=True)
        for role in ("root", "timestamp", "snapshot", "targets"):
            root.add_key(self._signer.public_key, role)
        self._write("1.root", root)
        self.publish({})

    @property
    def root(self) -> Path:
        """What a device must trust."""
        return self.folder / "metadata" / "1.root.json"

    def add(self, bundle: Path, against: Path | None = None, xz: bool = False, **custom: Any) -> None:
        """Let `bundle` be what there is; `against` an older one there is a patch too."""
        with Bundle(bundle) as opened:
            manifest = opened.manifest
        content = bundle.read_bytes()
        transports = []
        if xz:
            transports.append(self._transport("xz", bundle.name + ".xz", lzma.compress(content), None))
        if against:
            patch = bsdiff4.diff(against.read_bytes(), content)
            transports.append(self._transport("bsdiff4", bundle.name + ".patch", patch, against))
        said = Custom("deployment", manifest.name, "default", manifest.profiles[0], manifest.version)
        self.offer(bundle, msgspec.structs.replace(said, transports=transports, **custom))

    def offer(self, file: Path, said: Custom) -> None:
        """Let `file` be what there is, and say so of it."""
        content, name = file.read_bytes(), target_name("default", file.name)
        sha256 = hashlib.sha256(content).hexdigest()
        path = self.folder / target_path(name, sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)
        target = TargetFile(len(content), {"sha256": sha256}, name, {"custom": msgspec.to_builtins(said)})
        self.publish({name: target})

    def publish(self, targets: dict[str, TargetFile]) -> None:
        """Sign `targets` and nothing else, as of now."""
        self._version += 1
        number, expires = self._version, self._expires()
        self._write(f"{number}.targets", Targets(number, expires=expires, targets=targets))
        meta = {"targets.json": MetaFile(number)}
        self._write(f"{number}.snapshot", Snapshot(number, expires=expires, meta=meta))
        self._write("timestamp", Timestamp(number, expires=expires, snapshot_meta=MetaFile(number)))

    def _transport(self, kind: Any, name: str, content: bytes, against: Path | None) -> Transport:
        sha256 = hashlib.sha256(content).hexdigest()
        path = f"targets/default/{sha256}.{name}"
        (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / path).write_bytes(content)
        old = hashlib.sha256(against.read_bytes()).hexdigest() if against else None
        return Transport(kind, path, len(content), sha256, old)

    def _write(self, name: str, signed: Any) -> None:
        metadata = Metadata(signed)
        metadata.sign(self._signer)
        metadata.to_file(str(self.folder / "metadata" / f"{name}.json"))

    def _expires(self) -> datetime:
        return datetime.now(timezone.utc).replace(microsecond=0) + self.lives
