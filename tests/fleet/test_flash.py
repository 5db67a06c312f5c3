"""`godwit flash` as a person runs it, with the real `edge-agent install` behind it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_profiles import profile
from tests.edge_agent.support import NULL, model, null_bundle, write_bundle


def godwit(*words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "godwit", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)


def tree(root: Path) -> dict[str, bytes]:
    """All but who held the lock last."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def pack(folder: Path, version: str = "1.0", arch: str = "") -> Path:
    changes = {"version": version, "profiles": ["here"], **({"arch": arch} if arch else {})}
    path = folder / f"pets-{version}-here.godwit"
    of = model(name="pets", file="models/null.json", format="null", runtimes=list(NULL))
    return write_bundle(path, of, b'{"outputs": [[1, 3]]}', name="pets", **changes)


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this user's own signing repository is made."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "godwit" / "repository"


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
    assert (root / "slots" / "active" / "models" / "null.json").exists()
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


def test_dry_run_writes_nothing(tmp_path: Path, packed: Path, own_data: Path) -> None:
    root = tmp_path / "device"
    done = godwit("flash", packed, f"dir://{root}", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"dir://{root}: would install pets 1.0 for here")
    told = json.loads(godwit("flash", packed, f"dir://{root}", "--dry-run", "--json").stdout)
    assert told["target"] == f"dir://{root}"
    assert told["deployment"] == "pets"
    assert not root.exists()
    assert not own_data.exists()


def test_the_first_flash_makes_a_repository_and_names_it(tmp_path: Path, packed: Path, own_data: Path) -> None:
    first = godwit("flash", packed, f"dir://{tmp_path / 'a'}")
    assert f"made {own_data}" in first.stderr
    second = godwit("flash", packed, f"dir://{tmp_path / 'b'}")
    assert str(own_data) not in second.stderr
    assert (tmp_path / "a/trust/root.json").read_bytes() == (tmp_path / "b/trust/root.json").read_bytes()


def test_a_repository_a_kit_and_a_device_that_trusts_another(tmp_path: Path, packed: Path) -> None:
    repository, kit = tmp_path / "updates", tmp_path / "kit"
    name = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"
    bundle = null_bundle(tmp_path / "tiny.godwit", profiles=[name])
    for words in (
        ["repo", "init", repository, "--no-passphrase"],
        ["repo", "add", bundle, "--repo", repository],
        ["repo", "kit", kit, "--repo", repository],
    ):
        assert godwit(*words).returncode == 0
    for source in (repository, kit):
        done = godwit("flash", source, f"dir://{tmp_path / source.name}-device")
        assert "tiny 1.0 is now active" in done.stdout, done.stderr
    other = godwit("flash", packed, f"dir://{tmp_path / 'kit-device'}")
    assert other.returncode == 6
    assert "found another root" in other.stderr
    assert "tiny" in (tmp_path / "kit-device" / "slots" / "active" / "manifest.json").read_text()


def test_one_that_fails_does_not_hold_up_the_next(tmp_path: Path, packed: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    done = godwit("flash", packed, f"dir://{in_the_way}", f"dir://{tmp_path / 'device'}")
    assert done.returncode != 0
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert str(in_the_way) in error
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
        (["sssh://pi@h"], "found another form; did you mean 'ssh'?"),
        (["/srv/device"], "found another form; put dir:// before an absolute path"),
        (["ssh://pi@h?root=here"], "expected an absolute path of the device root, found here"),
        (["ssh://pi:raspberry@h"], "without a password, found one with a password"),
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
    done = godwit("flash", packed, "ftp://a", "dir://b")
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == ["ftp", "dir"]
