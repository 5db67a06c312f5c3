"""The way back for a device that cannot follow the chain of roots."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Root

from edge_agent.ota import refreshing
from edge_agent.ota.folder import FolderCarrier
from firmware_profiles.errors import TrustError
from firmware_profiles.targets import Note, write_note
from tests.edge_agent.ota.signing import DAY, NAME, NOW, Device, Repository


def lost(repository: Repository, *, reset: bool = True, by: list[CryptoSigner] | None = None) -> Path:
    """Root 7 with new keys, while those in between are gone; `by` sign it beside its own."""
    old = by or list(repository.signers["root"])
    for role in ("root", "timestamp", "snapshot", "targets"):
        repository.rekey(role)
    new = repository.signers["root"][-1:]
    repository.signers["root"] = [*old, *new]
    repository.root.version = 7
    if reset:
        repository.root.unrecognized_fields.update(write_note(Note(reset=NOW)))
    path = repository.folder / "metadata" / "reset.json"
    path.write_bytes(repository.sign("root"))
    repository.signers["root"] = new
    return path


def names(device: Device, repository: Repository) -> set[str]:
    return set(refreshing.refresh(device.root, FolderCarrier(repository.folder), device.reference).targets)


def test_a_lost_chain_is_jumped_over_and_goes_on_from_there(device: Device, repository: Repository) -> None:
    repository.timestamp.version = 1_000_000
    repository.publish("timestamp")
    assert names(device, repository) == set()
    lost(repository)
    repository.timestamp.version = 1
    repository.add(b"after the loss")
    assert names(device, repository) == {NAME}

    def plain(root: Root) -> None:
        root.unrecognized_fields.clear()

    repository.next_root(plain)
    repository.add(b"after that")
    assert names(device, repository) == {NAME}
    before = device.kept()
    assert "roots/8.root.json" in before
    repository.signers["timestamp"] = [CryptoSigner.generate_ed25519()]
    repository.publish("timestamp")
    device.trusted = False
    device.uptime_ms += 10 * 24 * 3_600_000
    with pytest.raises(TrustError):
        names(device, repository)  # reset.json is still there, and is older
    assert device.kept() == before
    assert device.reference.now() == NOW + 10 * DAY


@pytest.mark.parametrize("fault", ["no reset", "not by the old keys", "older", "nonsense"])
def test_a_jump_wants_the_old_keys_and_a_reset(device: Device, repository: Repository, fault: str) -> None:
    names(device, repository)
    before = device.kept()
    strangers = [CryptoSigner.generate_ed25519()] if fault == "not by the old keys" else None
    path = lost(repository, reset=fault != "no reset", by=strangers)
    repository.add(b"after the loss")
    if fault == "older":
        shutil.copyfile(repository.folder / "metadata" / "1.root.json", path)
    elif fault == "nonsense":
        path.write_bytes(b"{}")
    with pytest.raises(TrustError, match=r"timestamp.json: expected signatures"):
        names(device, repository)
    assert device.kept() == before
