"""`godwit repo` as its operator uses it; what it signs is judged by the device's own code."""

from __future__ import annotations

import fcntl
import hashlib
import json
import lzma
import os
import stat
import subprocess
import sys
from pathlib import Path

import bsdiff4
import pytest

from edge_agent.ota.folder import FolderCarrier
from edge_agent.ota.http import HttpCarrier
from firmware_profiles import bundle
from tests.fleet.repositories import PASSPHRASE, Command, offer, pack

ROLES = ("targets", "snapshot", "timestamp")


def test_a_bundle_comes_to_the_devices_of_its_profile_and_group(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    packed = pack(tmp_path)
    godwit.repo("add", packed, "--to", "canary")
    assert offer(godwit, tmp_path / "device") is None
    got = offer(godwit, tmp_path / "device", "canary")
    assert got is not None
    assert (got.deployment, got.version, got.size_bytes) == ("pets", "1.0", packed.stat().st_size)
    FolderCarrier(godwit.folder / "public").fetch(got.path, got.size_bytes, tmp_path / "came")
    assert (tmp_path / "came").read_bytes() == packed.read_bytes()


def test_the_same_bundle_again_signs_nothing(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    packed = pack(tmp_path)
    assert godwit.repo("add", packed)["written"] == ["2.targets.json", "2.snapshot.json", "timestamp.json"]
    before = godwit.public()
    again = godwit.repo("add", packed)
    assert again["written"] == []
    assert again["targets"][0]["changed"] is False
    assert godwit.public() == before


def test_a_newer_bundle_takes_the_place_of_the_old_one_and_comes_as_a_patch(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    old, new = pack(tmp_path, "1.0", size=50_000), pack(tmp_path, "1.1", size=50_000)
    godwit.repo("add", old)
    added = godwit.repo("add", new)["targets"][0]
    assert added["replaces"] == "default/pets-1.0-raspberry-pi-5.godwit"
    got = offer(godwit, tmp_path / "device")
    assert got is not None
    (way,) = got.transports  # random weights do not compress
    assert (way.kind, way.from_sha256) == ("bsdiff4", hashlib.sha256(old.read_bytes()).hexdigest())
    assert way.size_bytes < got.size_bytes // 2
    patch = (godwit.folder / "public" / way.path).read_bytes()
    assert hashlib.sha256(patch).hexdigest() == way.sha256
    assert bsdiff4.patch(old.read_bytes(), patch) == new.read_bytes()
    back = godwit.repo("add", old)["targets"][0]
    assert back["replaces"] == "default/pets-1.1-raspberry-pi-5.godwit"


def test_what_compresses_comes_compressed(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    packed = pack(tmp_path)
    zeros = tmp_path / "zeros.godwit"
    with bundle.Bundle(packed) as opened:
        bundle.write(zeros, opened.manifest, {"models/pets.tflite": bytes(100_000)})
    godwit.repo("add", zeros)
    got = offer(godwit, tmp_path / "device")
    assert got is not None
    (way,) = got.transports
    assert way.kind == "xz"
    assert lzma.decompress((godwit.folder / "public" / way.path).read_bytes()) == zeros.read_bytes()


def test_two_bundles_for_one_device_and_other_mistakes_are_told_together(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    before = godwit.public()
    (tmp_path / "broken.godwit").write_bytes(b"PK")
    bundles = (pack(tmp_path), pack(tmp_path, name="cars"), tmp_path / "broken.godwit", tmp_path / "none.godwit")
    code, _, err = godwit.tried("add", *bundles)
    assert code == 2
    assert [line.partition(": expected ")[2].partition(",")[0] for line in err.splitlines()] == [
        "a bundle (a ZIP file)",
        "a bundle",
        "one bundle for raspberry-pi-5 in the group default",
    ]
    code, _, err = godwit.tried("add", bundles[0], "--to", "No Group")
    assert (code, "--to: expected a name of at most 64 characters" in err) == (2, True)
    assert godwit.public() == before


@pytest.mark.parametrize("role", ROLES)
def test_without_a_key_nothing_changes(godwit: Command, tmp_path: Path, role: str) -> None:
    godwit.init()
    before = godwit.public()
    for path in (godwit.folder / "keys").glob("targets-*" if role == "targets" else "online-*"):
        path.rename(tmp_path / path.name)
    code, _, err = godwit.tried("add", pack(tmp_path))
    assert code == 2
    assert "bring its file, and name its folder with --keys" in err
    assert godwit.public() == before
    godwit.repo("add", pack(tmp_path), "--keys", tmp_path)


def test_keys_are_encrypted_unless_it_is_asked_otherwise(godwit: Command, tmp_path: Path) -> None:
    made = godwit.init("--root-keys", tmp_path / "safe", "--signed-by", "root=2/2")
    keys = [*(tmp_path / "safe").iterdir(), *(godwit.folder / "keys").iterdir()]
    assert len(keys) == 4
    for path in keys:
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made["root_keys"] == str(tmp_path / "safe")
    assert PASSPHRASE.encode() not in b"".join(godwit.public().values())
    for secret in ("", "wrong\n"):
        godwit.secret.write_text(secret)
        code, _, err = godwit.tried("sign")
        assert code == 2
        assert "passphrase" in err


def test_a_repository_without_a_passphrase(godwit: Command, tmp_path: Path) -> None:
    code, out, _ = godwit("repo", "init", godwit.folder, "--no-passphrase")
    assert code == 0
    assert "NOT encrypted" in out
    for path in (godwit.folder / "keys").iterdir():
        assert path.read_bytes().startswith(b"-----BEGIN PRIVATE KEY-----")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    godwit.secret.write_text("unused\n")
    godwit.repo("add", pack(tmp_path))


def test_a_folder_with_files_is_left_alone(godwit: Command) -> None:
    godwit.folder.mkdir()
    (godwit.folder / "mine").write_text("mine")
    code, _, err = godwit("repo", "init", godwit.folder, "--no-passphrase")
    assert (code, "expected an empty or new folder, found files in it" in err) == (2, True)
    assert os.listdir(godwit.folder) == ["mine"]  # noqa: PTH208


def test_dry_runs_write_nothing(godwit: Command, tmp_path: Path) -> None:
    godwit.init("--dry-run")
    assert not godwit.folder.exists()
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    before = godwit.public()
    assert godwit.repo("add", pack(tmp_path, "1.1"), "--dry-run")["targets"][0]["changed"] is True
    assert godwit.repo("kit", tmp_path / "kit", "--dry-run")["targets"] == ["default/pets-1.0-raspberry-pi-5.godwit"]
    assert godwit.repo("sign", "--reset", "--dry-run")["roles"] == ["root", "snapshot", "timestamp"]
    assert [each["roles"] for each in godwit.repo("rotate-key", "timestamp", "--dry-run")] == [
        ["snapshot", "timestamp"]
    ]
    assert godwit.public() == before
    assert not (tmp_path / "kit").exists()


def test_a_published_folder_that_somebody_changed_is_not_signed(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    path = godwit.folder / "public" / "metadata" / "2.targets.json"
    document = json.loads(path.read_bytes())
    document["signed"]["targets"]["default/evil.godwit"] = document["signed"]["targets"].popitem()[1]
    path.write_bytes(json.dumps(document).encode())
    code, _, err = godwit.tried("sign")
    assert code == 6
    assert "expected signatures of targets's keys, found something else; somebody changed the published folder" in err


def test_two_commands_at_once(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    with (godwit.folder / "lock").open("a+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        code, _, err = godwit.tried("add", pack(tmp_path))
    assert (code, "expected the repository free, found it held by process" in err) == (4, True)


def test_the_served_folder_is_what_is_published(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    line = [sys.executable, "-m", "godwit", "repo", "serve", "--repo", str(godwit.folder), "--port", "0", "--json"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            carrier = HttpCarrier(json.loads(server.stdout.readline())["url"])
            assert carrier.metadata("1.root.json", 100_000) == godwit.public()["metadata/1.root.json"]
            assert carrier.metadata("9.root.json", 100_000) is None
        finally:
            server.terminate()
        assert server.wait(30) == 130


def test_a_place_that_cannot_be_written_is_told(godwit: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, _, err = godwit("repo", "init", tmp_path / "file" / "updates", "--no-passphrase")
    assert (code, "expected a file to read or write, found not a directory; check its rights" in err) == (4, True)
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    before = godwit.public()
    code, _, err = godwit.tried("kit", tmp_path / "file" / "kit")
    assert (code, "expected a file to read or write" in err) == (4, True)
    assert godwit.public() == before
