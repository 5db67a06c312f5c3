"""`godwit flash` as a person runs it, with the real `edge-agent install` behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_profiles import bundle, manifest, profile


def godwit(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "godwit", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def pack(folder: Path, version: str = "1.0", arch: str = "") -> Path:
    model = manifest.Model(
        name="pets",
        task="classification",
        file="models/pets.tflite",
        format="tflite",
        precision="int8",
        recipe="tflite-int8",
        inputs=[manifest.Tensor("x", [1, 8, 8, 3], "float32")],
        outputs=[manifest.Tensor("y", [1, 2], "float32")],
        pre=manifest.InputSpec("image", 8, 8),
        post=manifest.OutputSpec("softmax", 1),
        runtimes=[manifest.RuntimeClaim("litert", "xnnpack", "2.1.0", 0.01)],
    )
    of = manifest.Manifest(
        name="pets",
        version=version,
        godwit="0.1.0",
        profiles=["here"],
        arch=arch or profile.userland_arch(),  # type: ignore[arg-type]  # checked when it is read
        models=[model],
        limits=manifest.Limits(100, 256),
    )
    path = folder / bundle.file_name(of)
    bundle.write(path, of, {"models/pets.tflite": b"TFL3"})
    return path


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    return pack(tmp_path)


def test_a_bundle_is_installed_and_a_second_time_changes_nothing(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "device"
    words = ("flash", packed, f"dir://{root}", "--device-id", "door-7", "--broker", "mqtt://h:1884", "--json")
    first = godwit(*words)
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["changed"] is True
    assert json.loads(first.stdout)["device"] == "door-7"
    assert (root / "slots" / "active" / "models" / "pets.tflite").read_bytes() == b"TFL3"
    before = tree(root)

    second = godwit(*words)
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["changed"] is False
    assert tree(root) == before


def test_another_version_becomes_active(tmp_path: Path, packed: Path) -> None:
    target = f"dir://{tmp_path / 'device'}"
    godwit("flash", packed, target)
    newer = godwit("flash", pack(tmp_path, "1.1"), target)
    assert "pets 1.1 is now active" in newer.stdout, newer.stderr


def test_dry_run_writes_nothing(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "device"
    done = godwit("flash", packed, f"dir://{root}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("would install pets 1.0 for here")
    assert not root.exists()


def test_one_that_fails_does_not_hold_up_the_next(tmp_path: Path, packed: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    done = godwit("flash", packed, f"dir://{in_the_way}", f"dir://{tmp_path / 'device'}")
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert str(in_the_way) in done.stderr
    assert "is now active" in done.stdout


def test_a_bundle_for_another_device_is_refused(tmp_path: Path) -> None:
    other = "armv7l" if profile.userland_arch() != "armv7l" else "x86_64"
    root = tmp_path / "device"
    done = godwit("flash", pack(tmp_path, arch=other), f"dir://{root}")
    assert done.returncode == 2
    assert f"a bundle for this machine ({profile.userland_arch()}), found one for here ({other})" in done.stderr
    assert not root.exists()


def test_a_changed_byte_is_refused(tmp_path: Path, packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1
    packed.write_bytes(content)
    done = godwit("flash", packed, f"dir://{tmp_path / 'device'}")
    assert done.returncode == 2
    assert str(packed) in done.stderr
    assert not (tmp_path / "device").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ssh://pi@h"], "ssh://pi@h: expected dir:///ABSOLUTE/PATH, found ssh://, which is not there yet"),
        (["/srv/device"], "/srv/device: expected dir:///ABSOLUTE/PATH, found another form; put dir://"),
        (["dir://srv/device"], "found a relative path; write three slashes"),
        (["dir:///a", "dir:///b", "--device-id", "x"], "--device-id: expected one target for one name"),
        ([], "godwit flash: expected TARGET..., found nothing"),
    ],
)
def test_wrong_targets_are_one_line(packed: Path, words: list[str], told: str) -> None:
    done = godwit("flash", packed, *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_all_wrong_targets_are_told_at_once(packed: Path) -> None:
    done = godwit("flash", packed, "ssh://a", "adb://b")
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["ssh", "adb"]
