"""Attacks on what is signed: whatever a hostile repository serves, the device keeps what it trusted."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile, Targets

from edge_agent.ota import refreshing
from edge_agent.ota.folder import FolderCarrier
from firmware_profiles.errors import TrustError, UnavailableError
from tests.edge_agent.ota.signing import DAY, NAME, NOW, Device, Repository


def refresh(device: Device, repository: Repository) -> Targets:
    return refreshing.refresh(device.root, FolderCarrier(repository.folder), device.reference)


def metadata(repository: Repository, name: str) -> Path:
    return repository.folder / "metadata" / name


def mixed(repository: Repository) -> None:
    """The new snapshot beside an old targets file under its name."""
    repository.publish()
    shutil.copyfile(metadata(repository, "2.targets.json"), metadata(repository, "3.targets.json"))


def mixed_snapshot(repository: Repository) -> None:
    """The new timestamp beside an old snapshot under its name."""
    repository.publish()
    shutil.copyfile(metadata(repository, "2.snapshot.json"), metadata(repository, "3.snapshot.json"))


def older_timestamp(repository: Repository) -> None:
    repository.timestamp.version = 1
    repository.sign("timestamp")


def older_snapshot(repository: Repository) -> None:
    repository.timestamp.version = 9
    repository.timestamp.snapshot_meta = MetaFile(1)
    repository.sign("timestamp")


def older_targets(repository: Repository) -> None:
    repository.targets.version = 0
    repository.publish()


def targets_gone(repository: Repository) -> None:
    repository.snapshot.meta = {"others.json": MetaFile(9)}
    repository.snapshot.version += 1
    repository.sign("snapshot")
    repository.timestamp.version += 1
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version)
    repository.sign("timestamp")


def another_length(repository: Repository) -> None:
    repository.publish()
    repository.timestamp.snapshot_meta = MetaFile(repository.snapshot.version, length=5000)
    repository.timestamp.version += 1
    repository.sign("timestamp")


def wrong_key(repository: Repository) -> None:
    repository.signers["targets"] = [CryptoSigner.generate_ed25519()]
    repository.publish()


def too_few_keys(repository: Repository) -> None:
    """A root that wants two signatures of targets, which then have one."""

    def edit(root: object) -> None:
        repository.root.add_key(CryptoSigner.generate_ed25519().public_key, "targets")
        repository.root.roles["targets"].threshold = 2

    repository.next_root(edit)
    repository.publish()


def revoked_key(repository: Repository) -> None:
    """Signed by the key that was taken out of the root."""
    thief = repository.signers["timestamp"]
    repository.rekey("timestamp")
    repository.next_root()
    repository.signers["timestamp"] = thief
    repository.publish()


def frozen(repository: Repository) -> None:
    for role in ("timestamp", "snapshot"):
        getattr(repository, role).expires = NOW - DAY
    repository.publish()


def expired_root(repository: Repository) -> None:
    repository.root.expires = NOW - DAY
    repository.next_root()


def root_skips(repository: Repository) -> None:
    repository.root.version = 4
    raw = repository.sign("root")
    metadata(repository, "2.root.json").write_bytes(raw)


def root_of_a_stranger(repository: Repository) -> None:
    repository.signers["root"] = [CryptoSigner.generate_ed25519()]
    repository.root.version = 2
    repository.sign("root")


def another_type(repository: Repository) -> None:
    repository.publish()
    shutil.copyfile(metadata(repository, "3.targets.json"), metadata(repository, "timestamp.json"))


def nonsense(repository: Repository) -> None:
    metadata(repository, "timestamp.json").write_bytes(b'{"signed": ' + b"[" * 4000)


ATTACKS: dict[Callable[[Repository], None], str] = {
    older_timestamp: "expected version 2 or newer, found version 1, a rollback",
    older_snapshot: "expected snapshot version 2 or newer, found version 1, a rollback",
    older_targets: "targets.json in version 2 or newer, found version 1, a rollback",
    targets_gone: "expected targets.json, as in the one before, found none",
    another_length: "expected the length and hash that were signed",
    mixed_snapshot: "snapshot.json: expected version 3, found version 2, mixed from elsewhere",
    mixed: "targets.json: expected version 3, found version 2, mixed from elsewhere",
    wrong_key: "targets.json: expected signatures of targets's threshold of trusted keys",
    too_few_keys: "targets.json: expected signatures of targets's threshold of trusted keys",
    revoked_key: "timestamp.json: expected signatures of timestamp's threshold of trusted keys",
    frozen: "timestamp.json: expected metadata that is valid at 2026-06-01 00:00 UTC, found version 3, which expired",
    expired_root: "2.root.json: expected metadata that is valid at 2026-06-01",
    root_skips: "2.root.json: expected version 2, found version 4",
    root_of_a_stranger: "2.root.json: expected signatures of root's threshold of trusted keys",
    another_type: "expected timestamp metadata, found targets metadata",
    nonsense: "expected signed timestamp metadata of TUF",
}


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_an_attack_is_named_and_changes_nothing(
    device: Device, repository: Repository, attack: Callable[[Repository], None]
) -> None:
    repository.add(b"version 1")
    assert NAME in refresh(device, repository).targets
    before = device.kept()
    attack(repository)
    with pytest.raises(TrustError) as refused:
        refresh(device, repository)
    assert ATTACKS[attack] in str(refused.value)
    after = device.kept()
    assert after["targets.json"] == before["targets.json"]
    if attack not in (too_few_keys, revoked_key, expired_root):  # there the root is right, and is kept
        assert after["root.json"] == before["root.json"]


def test_every_root_version_is_walked_and_kept(device: Device, repository: Repository) -> None:
    for _ in range(4):
        repository.rekey("root")
        repository.next_root()
    repository.add(b"version 1")
    assert NAME in refresh(device, repository).targets
    assert {f"roots/{version}.root.json" for version in range(1, 6)} <= device.kept().keys()


def test_new_keys_of_timestamp_and_snapshot_forget_versions_that_a_thief_drove_up(
    device: Device, repository: Repository
) -> None:
    repository.timestamp.version = repository.snapshot.version = 1_000_000
    repository.publish("snapshot")
    refresh(device, repository)
    for role in ("timestamp", "snapshot"):
        repository.rekey(role)
        getattr(repository, role).version = 1
    repository.next_root()
    repository.add(b"after the theft")
    assert NAME in refresh(device, repository).targets
    assert json.loads(device.kept()["timestamp.json"])["signed"]["version"] == 2


def test_a_damaged_file_of_its_own_is_fetched_again(device: Device, repository: Repository) -> None:
    repository.add(b"version 1")
    refresh(device, repository)
    before = device.kept()
    for name in ("root.json", "timestamp.json", "snapshot.json", "targets.json"):
        (device.root.folder / "trust" / name).write_bytes(b"\0" * 50)
    assert NAME in refresh(device, repository).targets
    assert device.kept() == before


def test_without_a_trusted_root_nothing_is_trusted(tmp_path: Path, repository: Repository) -> None:
    with pytest.raises(TrustError, match="expected a trusted root of a repository, found none; install with --trust-r"):
        refresh(Device(tmp_path / "bare"), repository)


def test_a_root_is_pinned_once(device: Device, repository: Repository, tmp_path: Path) -> None:
    before = device.kept()
    refreshing.pin(device.root, repository.first_root)
    with pytest.raises(TrustError, match="or with this root, found another root"):
        refreshing.pin(device.root, Repository(tmp_path / "other").first_root)
    damaged = json.loads(repository.first_root)
    damaged["signed"]["version"] = 7
    with pytest.raises(TrustError, match=r"root.json: expected signatures of root's threshold"):
        refreshing.pin(Device(tmp_path / "bare").root, json.dumps(damaged).encode())
    assert device.kept() == before
    assert not (tmp_path / "bare").exists()


def test_a_folder_that_is_no_repository(device: Device, tmp_path: Path) -> None:
    with pytest.raises(
        UnavailableError, match=r"metadata/timestamp.json: expected a file of the repository, found none"
    ):
        refreshing.refresh(device.root, FolderCarrier(tmp_path / "nothing"), device.reference)
