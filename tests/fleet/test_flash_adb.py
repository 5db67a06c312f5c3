"""`godwit flash adb://…` against a fake adb server whose phones run a real toybox."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.edge_agent.support import model, write_bundle
from tests.fleet import adb_host
from tests.fleet.android import Phone
from tests.fleet.conftest import Flash

HOME = "/data/local/tmp/godwit/tiny"


def pack(folder: Path, version: str = "1.0", arch: str = "aarch64") -> Path:
    of = model(golden="golden.npz", labels=["cat", "dog", "jay"])
    path = folder / f"tiny-{version}-android-phone.godwit"
    return write_bundle(path, of, name="tiny", arch=arch, profiles=["android-phone"], version=version)


@pytest.fixture
def phones(tmp_path: Path) -> list[Phone]:
    return [Phone(tmp_path)]


@pytest.fixture
def godwit(tmp_path: Path, phones: list[Phone], flash: Flash, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flash]:
    with adb_host.serving(phones) as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        yield flash


def active(phone: Phone, home: str = HOME) -> Path:
    return phone.place(f"{home}/{phone.place(f'{home}/active').read_text().strip()}")


def test_an_app_finds_model_labels_and_golden_vectors(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    done = godwit(pack(tmp_path), "adb://R58M42ABCD", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["device"] == "R58M42ABCD"
    folder = active(phones[0])
    assert (folder / "models/tiny.tflite").read_bytes()[4:8] == b"TFL3"
    assert (folder / "app/tiny/labels.txt").read_text().split() == ["cat", "dog", "jay"]
    told = json.loads((folder / "app/tiny/golden.json").read_text())
    raw = np.fromfile(folder / "app/tiny" / told["inputs"]["file"], told["inputs"]["dtype"])
    tensors = np.fromfile(folder / "app/tiny" / told["tensors"]["file"], told["tensors"]["dtype"])
    np.testing.assert_allclose(tensors, raw / 255, atol=1e-6)
    assert told["outputs"][0]["shape"] == [16, 3]
    listed = subprocess.run(["sha256sum", "--check", "files.sha256"], cwd=folder, capture_output=True, check=False)
    assert listed.returncode == 0, listed.stdout
    assert all(path.stat().st_mode & 0o004 for path in phones[0].place("/data/local/tmp/godwit").rglob("*"))

    again = godwit(pack(tmp_path), "adb://", "--json")
    assert json.loads(again.stdout)["changed"] is False
    assert len(phones[0].sent) == 9


def test_a_newer_version_takes_over_and_its_predecessor_stays(
    tmp_path: Path, phones: list[Phone], godwit: Flash
) -> None:
    for version in ("1.0", "1.1", "1.2"):
        assert godwit(pack(tmp_path, version), "adb://R58M42ABCD").returncode == 0
    kept = sorted(path.name[:3] for path in phones[0].place(HOME).iterdir() if path.is_dir())
    assert kept == ["1.1", "1.2"]
    assert active(phones[0]).name.startswith("1.2-")
    older = godwit(pack(tmp_path, "1.1"), "adb://R58M42ABCD")
    assert older.returncode == 4
    assert "expected tiny 1.1 or older, found the newer 1.2" in older.stderr


def test_a_file_that_was_changed_there_is_brought_again(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    godwit(pack(tmp_path), "adb://R58M42ABCD")
    (active(phones[0]) / "models/tiny.tflite").write_bytes(b"TFL3")
    done = godwit(pack(tmp_path), "adb://R58M42ABCD", "--json")
    assert json.loads(done.stdout)["changed"] is True
    assert (active(phones[0]) / "models/tiny.tflite").stat().st_size > 4


def test_the_folder_of_one_app(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    target = "adb://R58M42ABCD?package=com.example.pets"
    refused = godwit(pack(tmp_path), target)
    assert refused.returncode == 4
    assert "install the app and start it once" in refused.stderr
    phones[0].place("/sdcard/Android/data/com.example.pets/files").mkdir(parents=True)
    assert godwit(pack(tmp_path), target).returncode == 0
    folder = active(phones[0], "/sdcard/Android/data/com.example.pets/files/godwit/tiny")
    assert (folder / "models/tiny.tflite").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path, phones: list[Phone], godwit: Flash) -> None:
    done = godwit(pack(tmp_path), "adb://R58M42ABCD", "--dry-run")
    assert "would push tiny 1.0" in done.stdout, done.stderr
    assert "it is a Pixel 8 with Android 14 (arm64-v8a)" in done.stdout
    assert not phones[0].sent
    assert not list(phones[0].place("/data/local/tmp").iterdir())
