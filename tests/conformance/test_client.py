"""The conformance client over the cases that TUF's public suite asks for; that suite itself is run by others."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import MetaFile

from tests.conformance.trial import LATER, Tree, Trial
from tests.edge_agent.ota.hostile import Server

FIRST = ["2.root", "timestamp", "1.snapshot", "1.targets"]
LONG_AGO = LATER - timedelta(days=90)


def test_it_is_a_program(trial: Trial, repository: Tree) -> None:
    assert trial.run("refresh") == 0
    assert trial.asked() == FIRST
    assert trial.trusted() == {"root": 1, "snapshot": 1, "targets": 1, "timestamp": 1}
    repository.timestamp.version = 0
    repository.sign("timestamp")
    assert trial.run("refresh") == 1


def test_init_asks_for_nothing_and_keeps_byte_for_byte(trial: Trial, repository: Tree) -> None:
    assert trial.asked() == []
    assert trial.refresh() == 0
    served = repository.folder / "metadata"
    for role in ("root", "timestamp", "snapshot", "targets"):
        name = "timestamp.json" if role == "timestamp" else f"1.{role}.json"
        assert (trial.metadata / f"{role}.json").read_bytes() == (served / name).read_bytes()


@pytest.mark.parametrize("damage", ["version", "signature"])
def test_an_initial_root_that_is_none(tmp_path: Path, server: Server, repository: Tree, damage: str) -> None:
    document = json.loads(repository.first_root)
    if damage == "version":
        del document["signed"]["version"]
    else:
        document["signatures"][0]["sig"] = "00" * 64
    (tmp_path / "other").mkdir()
    trial = Trial(tmp_path / "other", server)
    assert trial.init(json.dumps(document).encode()) == 1
    assert trial.refresh() == 1
    assert trial.asked() == []


def test_a_download_refreshes_first(trial: Trial) -> None:
    assert trial.download("not there") == 1
    assert trial.asked() == FIRST
    assert trial.trusted() == {"root": 1, "snapshot": 1, "targets": 1, "timestamp": 1}


def test_what_is_known_is_not_fetched_again(trial: Trial, repository: Tree) -> None:
    assert trial.refresh() == 0
    trial.asked()
    assert trial.refresh() == 0
    assert trial.asked() == ["2.root", "timestamp"]
    repository.publish("timestamp")
    assert trial.refresh() == 0
    assert trial.asked() == ["2.root", "timestamp"]
    assert trial.trusted()["timestamp"] == 2


@pytest.mark.parametrize("with_hashes", [False, True])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_a_rollback(trial: Trial, repository: Tree, role: str, with_hashes: bool) -> None:
    repository.publish()
    repository.publish()
    assert trial.refresh() == 0
    before = trial.trusted()
    getattr(repository, role).version = 0
    repository.publish(role)
    if with_hashes:
        raw = repository.sign("snapshot")
        repository.timestamp.snapshot_meta = MetaFile.from_data(repository.snapshot.version, raw, ["sha256"])
        repository.timestamp.version += role != "timestamp"
        repository.sign("timestamp")
    assert trial.refresh() == 1
    after = trial.trusted()
    assert after["targets"] == before["targets"]
    assert after["snapshot"] == before["snapshot"] or role == "targets"


@pytest.mark.parametrize("rotated", [["timestamp"], ["snapshot"], ["snapshot", "timestamp"]])
def test_recovery_from_versions_that_were_driven_up(trial: Trial, repository: Tree, rotated: list[str]) -> None:
    driven = {"timestamp": "timestamp", "snapshot": "targets"}[rotated[0]] if len(rotated) == 1 else "snapshot"
    getattr(repository, driven).version = 99_999
    repository.publish(driven)
    assert trial.refresh() == 0
    for role in rotated:
        repository.rekey(role)
    repository.next_root()
    getattr(repository, driven).version = 1
    repository.publish(driven)
    assert trial.refresh() == 0
    assert trial.trusted()[driven] == 2


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_what_has_expired(trial: Trial, repository: Tree, role: str) -> None:
    assert trial.refresh() == 0
    before = trial.trusted()
    getattr(repository, role).expires = LONG_AGO
    if role == "root":
        repository.next_root()
    repository.publish()
    assert trial.refresh() == 1
    after = trial.trusted()
    assert after["root"] == (2 if role == "root" else 1)
    order = ["timestamp", "snapshot", "targets"]
    kept = order if role == "root" else order[order.index(role) :]
    assert {each: after[each] for each in kept} == {each: before[each] for each in kept}


def test_signatures_of_every_kind(trial: Trial, repository: Tree) -> None:
    kinds = [
        CryptoSigner.generate_ecdsa(),
        CryptoSigner.generate_rsa(size=2048),
        CryptoSigner.generate_rsa(scheme="rsa-pkcs1v15-sha256", size=2048),
    ]
    for role, signer in zip(("timestamp", "snapshot", "targets"), kinds, strict=True):
        repository.rekey(role)
        repository.root.revoke_key(repository.root.roles[role].keyids[0], role)
        repository.root.add_key(signer.public_key, role)
        repository.signers[role] = [signer]
    repository.next_root()
    repository.publish()
    assert trial.refresh() == 0
    assert trial.trusted()["targets"] == 2


def test_one_key_under_many_names_signs_once(trial: Trial, repository: Tree) -> None:
    assert trial.refresh() == 0
    key = repository.signers["snapshot"][0].public_key
    same = type(key)("other" * 8, key.keytype, key.scheme, key.keyval)
    repository.root.add_key(same, "snapshot")
    repository.root.roles["snapshot"].threshold = 2
    repository.next_root()
    repository.publish("snapshot")
    assert trial.refresh() == 1
    assert trial.trusted() == {"root": 2, "snapshot": 1, "targets": 1, "timestamp": 2}


ROTATIONS = {
    "one for another": ([1], 1, [2], 1, [1, 2], True),
    "not by the old": ([1], 1, [2], 1, [2, 3], False),
    "not by the new": ([1], 1, [2], 1, [1, 3], False),
    "one of five": ([0, 1, 2, 3, 4], 3, [0, 1, 3, 4, 5], 3, [0, 1, 4], True),
    "too few of the new": ([0, 1, 2, 3, 4], 3, [0, 1, 3, 4, 5], 3, [0, 2, 4], False),
    "too few of the old": ([0, 1, 2, 3, 4], 3, [0, 1, 3, 4, 5], 3, [0, 4, 5], False),
    "all of five": ([0, 1, 2, 3, 4], 3, [5, 6, 7, 8, 9], 3, [0, 2, 4, 5, 6, 7], True),
    "a higher threshold": ([1, 2], 1, [1, 2], 2, [1, 2], True),
    "a higher threshold, not reached": ([1, 2], 1, [1, 2], 2, [2], False),
    "a lower threshold": ([1, 2], 2, [1, 2], 1, [1, 2], True),
    "a lower threshold too early": ([1, 2], 2, [1, 2], 1, [1], False),
    "others signed too": ([1], 1, [2], 1, [3, 2, 1, 4], True),
}


@pytest.mark.parametrize("name", ROTATIONS)
def test_keys_of_the_root_change(tmp_path: Path, repository: Tree, server: Server, name: str) -> None:
    keys = [CryptoSigner.generate_ed25519() for _ in range(10)]
    old, old_threshold, new, new_threshold, signing, fine = ROTATIONS[name]
    for members, threshold, signers in ((old, old_threshold, old), (new, new_threshold, signing)):
        role = repository.root.roles["root"]
        role.keyids, role.threshold = [], threshold
        for index in members:
            repository.root.add_key(keys[index].public_key, "root")
        repository.signers["root"] = [keys[index] for index in signers]
        repository.sign("root")
        repository.root.version += 1
    trial = Trial(tmp_path, server)
    assert trial.init(repository.first_root) == 0
    assert trial.refresh() == (0 if fine else 1)
    assert trial.trusted()["root"] == (2 if fine else 1)


def test_without_consistent_snapshots(trial: Trial, repository: Tree) -> None:
    def plain(root: object) -> None:
        repository.root.consistent_snapshot = False

    repository.next_root(plain)
    repository.put("targets", "a/file", b"content")
    repository.publish()
    metadata, targets = repository.folder / "metadata", repository.folder / "targets"
    for role in ("snapshot", "targets"):
        (metadata / f"2.{role}.json").rename(metadata / f"{role}.json")
    next((targets / "a").iterdir()).rename(targets / "a" / "file")
    assert trial.download("a/file") == 0
    assert trial.downloaded() == [b"content"]
    assert trial.asked() == ["2.root", "3.root", "timestamp", "snapshot", "targets", "targets/a/file"]
