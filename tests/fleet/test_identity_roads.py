"""A certificate for a device that no command reaches: by a stick that goes there and back, and by an image's card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.bootstrap import first_boot
from tests.edge_agent.support import agent, null_bundle
from tests.fleet.authorities import enrol, godwit
from tests.fleet.conftest import Flash

BROKER = ("--device-id", "door-7", "--broker", "mqtts://127.0.0.1:8883")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority without a passphrase."""
    godwit("init", tmp_path / "ca", "--no-passphrase")
    return tmp_path / "ca"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    return tmp_path / "stick"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return null_bundle(tmp_path / "tiny.godwit", profiles=["here"])


@pytest.fixture
def root(tmp_path: Path, bundle: Path, flash: Flash) -> Path:
    """Of door-7, which trusts this user's repository and has no certificate."""
    assert flash(bundle, f"dir://{tmp_path}/device", *BROKER).returncode == 0
    return tmp_path / "device"


def plugged_in(stick: Path, root: Path) -> Any:
    """The outcome that the device leaves on it."""
    agent("stick", stick, "--root", root)
    return json.loads((stick / "godwit-outcome" / "door-7.json").read_text())


def current(root: Path) -> bytes:
    return (root / "update/identity/current/device.pem").read_bytes()


def test_a_stick_brings_the_request_home_and_the_certificate_back(
    flash: Flash, stick: Path, root: Path, folder: Path, bundle: Path
) -> None:
    words = (bundle, f"dir://{stick}?as=stick", "--ca", folder)
    assert "sign a certificate" not in flash(*words).stderr
    first = plugged_in(stick, root)
    assert (first["exit_code"], first["identity"]) == (0, None), first

    dry = flash(*words, "--dry-run")
    assert "would sign a certificate for door-7, whose request it brings" in dry.stdout, dry.stderr
    assert not (stick / "godwit-identity").exists()
    assert flash(*words).returncode == 0
    assert "everything is there" in flash(*words).stderr
    second = plugged_in(stick, root)
    assert (second["identity"]["device"], second["request"], second["problems"]) == ("door-7", None, [])
    assert current(root) == (folder / "certificates/door-7.pem").read_bytes()
    secrets = [(root / "update/identity/current/device.key").read_bytes(), (folder / "ca.key").read_bytes()]
    on_stick = b"".join(path.read_bytes() for path in stick.rglob("*") if path.is_file())
    assert not any(secret in on_stick for secret in secrets)
    assert plugged_in(stick, root)["problems"] == []

    enrol(root, folder, days_ago=270)  # and so it goes when that one ends
    plugged_in(stick, root)
    assert flash(*words).returncode == 0
    renewed = plugged_in(stick, root)
    assert renewed["request"] is None
    assert current(root) == (folder / "certificates/door-7.pem").read_bytes()


def test_a_stranger_with_the_stick_gets_no_certificate_and_brings_none(
    flash: Flash, stick: Path, root: Path, folder: Path, bundle: Path, tmp_path: Path
) -> None:
    enrol(root, folder, days_ago=270)
    before = current(root)
    flash(bundle, f"dir://{stick}?as=stick")
    outcome = plugged_in(stick, root)
    outcome["request"] |= {"certificate": "", "proof": ""}
    (stick / "godwit-outcome" / "door-7.json").write_text(json.dumps(outcome))
    (stick / "godwit-outcome" / "noise.json").write_bytes(b"\xff" * 100)
    refused = flash(bundle, f"dir://{stick}?as=stick", "--ca", folder)
    assert "no certificate for 'door-7': request: expected the proof by its present certificate" in refused.stderr
    assert not (stick / "godwit-identity").exists()

    godwit("init", tmp_path / "evil", "--no-passphrase")
    signed = godwit("sign", "-", "--ca", tmp_path / "evil", stdin=outcome["request"]["csr"].encode())
    brought = stick / "godwit-identity" / "door-7"
    brought.mkdir(parents=True)
    (brought / "device.pem").write_text(signed)
    (brought / "ca.pem").write_bytes((tmp_path / "evil/ca.pem").read_bytes())
    (problem,) = plugged_in(stick, root)["problems"]
    assert "expected one that this CA signed, found another issuer" in problem
    assert current(root) == before


def test_a_device_root_on_this_machine_gets_its_certificate_at_once(
    flash: Flash, root: Path, folder: Path, bundle: Path
) -> None:
    done = flash(bundle, f"dir://{root}", "--ca", folder)
    assert done.returncode == 0, done.stderr
    assert current(root) == (folder / "certificates/door-7.pem").read_bytes()
    again = flash(bundle, f"dir://{root}", "--ca", folder)
    assert "sign a certificate" not in again.stderr


def test_what_an_image_installed_asks_beside_its_outcome_and_takes_what_is_laid_there(
    root: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "agent").mkdir()
    (root / "agent" / "active").symlink_to(Path(first_boot.__file__).parents[2])
    monkeypatch.setattr(first_boot, "ENABLED", tmp_path / "enabled")
    first_boot.ENABLED.symlink_to("nowhere")
    monkeypatch.setattr(Path, "is_mount", lambda path: path == tmp_path / "boot")
    (tmp_path / "boot").mkdir()
    (tmp_path / "flash" / "kit").mkdir(parents=True)
    (tmp_path / "flash" / "order.json").write_text(json.dumps({"root": str(root), "certificate": True}))
    (tmp_path / "flash" / first_boot.ZIPAPP).write_text('print("{}")')

    assert first_boot.main(tmp_path / "flash", tmp_path / "boot") == 0
    assert first_boot.ENABLED.is_symlink()
    assert not (tmp_path / "flash" / "kit").exists()
    card = tmp_path / "boot" / "godwit"
    signed = godwit("sign", card / "request.csr", "--ca", folder, "--device-id", "door-7")
    (card / "device.pem").write_text(signed)
    (card / "ca.pem").write_bytes((folder / "ca.pem").read_bytes())
    assert first_boot.main(tmp_path / "flash", tmp_path / "boot") == 0
    assert current(root) == (folder / "certificates/door-7.pem").read_bytes()
    assert not first_boot.ENABLED.is_symlink()
    assert [path.name for path in (tmp_path / "flash").iterdir()] == ["outcome.json"]
