"""`godwit flash --ca`: a device comes out of it with a certificate that a real broker takes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent.cli import main as edge_agent
from firmware_profiles import profile
from tests.edge_agent.links import asking
from tests.edge_agent.support import null_bundle, wait_until
from tests.fleet.authorities import OwnBroker, enrol, godwit
from tests.fleet.conftest import Flash
from tests.sshd import Sshd
from tools import processes
from tools.certificates import Identity

PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An authority without a passphrase."""
    godwit("init", tmp_path / "ca", "--no-passphrase")
    godwit("issue", "operator", "--ca", tmp_path / "ca")
    return tmp_path / "ca"


@pytest.fixture
def broker(tmp_path: Path, folder: Path) -> Iterator[OwnBroker]:
    (tmp_path / "broker").mkdir()
    with OwnBroker(tmp_path / "broker", folder) as started:
        yield started


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE])


def issued(folder: Path) -> list[str]:
    """Serials of the certificates of devices."""
    told = json.loads(godwit("status", "--ca", folder, "--json"))
    return [each["serial"] for each in told if each["kind"] == "device"]


def etc(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in (root / "etc").rglob("*") if path.is_file()}


@contextmanager
def running(root: Path, log: Path) -> Iterator[None]:
    """The agent whose code was brought, by the system's Python, until the end."""
    alone = ["env", f"PYTHONPATH={root}/agent/active", "/usr/bin/python3", "-m", "edge_agent"]
    with log.open("wb") as stream:
        process = processes.start([*alone, "run", "--root", root, "--listen", ""], stream, stream)
    try:
        yield
    finally:
        processes.stop(process)


def wait_online(broker: OwnBroker, folder: Path) -> None:
    """Until the broker has it from door-7, whose certificate says so."""
    operator = Identity(folder / "certificates" / "operator.pem", folder / "certificates" / "operator.key")
    with asking(broker.port, broker, operator) as client:
        client.subscribe("godwit/door-7/status")
        wait_until(lambda: any(b"online" in each.payload for each in client.heard), "the device")


def test_a_flashed_device_connects_with_its_certificate(
    device: Sshd, root: Path, bundle: Path, broker: OwnBroker, folder: Path, flash: Flash, tmp_path: Path
) -> None:
    words = (bundle, f"{device.url}?root={root}", "--device-id", "door-7", "--broker", broker.url, "--ca", folder)
    dry = flash(*words, "--dry-run")
    assert f"would sign a certificate for door-7, for 398 days, by {folder}" in dry.stdout, dry.stderr
    assert not issued(folder)
    assert not root.exists()

    done = flash(*words)
    assert done.returncode == 0, done.stderr
    assert len(issued(folder)) == 1
    with running(root, tmp_path / "log"):
        wait_online(broker, folder)

    before = etc(root)
    assert "everything is there" in flash(*words).stderr
    assert etc(root) == before
    assert len(issued(folder)) == 1


def test_a_certificate_is_renewed_when_less_than_a_third_of_its_time_is_left(
    device: Sshd, root: Path, bundle: Path, folder: Path, flash: Flash
) -> None:
    target = f"{device.url}?root={root}"
    assert flash(bundle, target, "--device-id", "door-7").returncode == 0
    enrol(root, folder, 260)
    assert "everything is there" in flash(bundle, target, "--ca", folder).stderr

    enrol(root, folder, 270)
    renewed = flash(bundle, target, "--ca", folder)
    assert "the one that is there has 12" in renewed.stderr
    assert renewed.returncode == 0
    assert len(issued(folder)) == 3
    assert "everything is there" in flash(bundle, target, "--ca", folder).stderr

    godwit("revoke", "door-7", "--ca", folder)
    assert "in place of another one" in flash(bundle, target, "--ca", folder).stderr
    assert len(issued(folder)) == 4


def test_an_authority_that_does_not_open_leaves_the_device_as_it_was(
    device: Sshd, root: Path, bundle: Path, tmp_path: Path, flash: Flash, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = f"{device.url}?root={root}"
    none = flash(bundle, target, "--ca", tmp_path)
    assert none.returncode == 2
    assert "expected an authority" in none.stderr
    monkeypatch.setenv("GODWIT_PASSPHRASE", "correct horse")
    godwit("init", tmp_path / "locked")
    monkeypatch.setenv("GODWIT_PASSPHRASE", "battery staple")
    monkeypatch.setenv("GODWIT_CA", str(tmp_path / "locked"))
    locked = flash(bundle, target)
    assert locked.returncode == 2
    assert "key file ca.key: expected its passphrase, found none that opens it" in locked.stderr
    assert not root.exists()


def test_an_agent_that_was_started_before_waits_for_its_certificate(
    bundle: Path, broker: OwnBroker, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "device"
    edge_agent(["install", str(bundle), "--root", str(root), "--device-id", "door-7", "--broker", broker.url])
    line = [sys.executable, "-m", "edge_agent", "run", "--root", str(root), "--listen", ""]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: (root / "run" / "status.json").exists(), "the agent")
            capsys.readouterr()
            edge_agent(["doctor", "--root", str(root)])
            assert "none yet: the agent cannot connect without it" in capsys.readouterr().out
            enrol(root, folder, 0)
            wait_online(broker, folder)
        finally:
            process.terminate()
