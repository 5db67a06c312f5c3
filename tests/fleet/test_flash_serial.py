"""`godwit flash serial://` to a real `edge-agent receive`, whose device root ends with a signed deployment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.layout import Root
from firmware_profiles import profile
from firmware_profiles.errors import InputError
from fleet.flash import at_receiver, serial_target
from fleet.flash.serial_target import SerialTarget
from godwit.cli import run
from tests.edge_agent.support import agent, null_bundle
from tests.edge_agent.wheels import code_file, first_code
from tests.fleet.authorities import enrol, godwit
from tests.fleet.conftest import Flash
from tests.fleet.serial_lines import ended, until
from tools.pty_relay import Relay

BAUD = 3_000_000
PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "root"


@pytest.fixture
def relay(tmp_path: Path, root: Path) -> Iterator[Relay]:
    """A line with a little noise, at whose other end an agent receives."""
    with Relay(tmp_path, errors=1e-5) as running:
        flags = ["--serial", str(running.device.path), "--baud", str(BAUD), "--root", str(root)]
        line = [sys.executable, "-m", "edge_agent", "receive", *flags]
        with ended(subprocess.Popen(line, stderr=subprocess.DEVNULL)):
            until(lambda: running.device.baud() == BAUD)
            yield running


def test_a_bundle_becomes_the_active_deployment(tmp_path: Path, root: Path, relay: Relay, flash: Flash) -> None:
    target = f"serial://{relay.host.path}?baud={BAUD}"
    bundle = null_bundle(tmp_path / "tiny.godwit")
    planned = flash(bundle, target, "--dry-run")
    assert "would install tiny 1.0" in planned.stdout
    assert not (root / "slots").exists()
    done = flash(bundle, target, "--device-id", "door-7", "--json")
    assert done.returncode == 0, done.stderr
    installed = json.loads(done.stdout)
    assert (installed["deployment"], installed["device"], installed["changed"]) == ("tiny", "door-7", True)
    assert (root / "slots" / "active" / "manifest.json").exists()
    assert (root / "trust" / "root.json").exists()
    before = relay.carried_bytes
    again = flash(bundle, target, "--json")
    assert json.loads(again.stdout)["changed"] is False
    assert relay.carried_bytes - before < 5000


def test_what_the_device_refuses_is_told_here(tmp_path: Path, root: Path, relay: Relay, flash: Flash) -> None:
    refused = flash(
        null_bundle(tmp_path / "tiny.godwit"), f"serial://{relay.host.path}?baud={BAUD}", "--broker", "x://y"
    )
    assert refused.returncode == 2
    assert "--broker" in refused.stderr
    assert not (root / "slots" / "active").exists()


def test_a_third_version_waits_for_the_second_and_is_told_before_anything_is_sent(
    tmp_path: Path, root: Path, relay: Relay, flash: Flash
) -> None:
    target = f"serial://{relay.host.path}?baud={BAUD}"
    bundles = [null_bundle(tmp_path / f"{number}.godwit", version=f"1.{number}") for number in range(3)]
    for bundle in bundles[:2]:
        assert not (root / "run" / "request").exists()
        assert flash(bundle, target).returncode == 0
    assert (root / "run" / "request").exists()  # by which systemd starts the updater, which watches it
    before = relay.carried_bytes
    third = flash(bundles[2], target)
    assert third.returncode == 4
    assert "found tiny 1.1 on probation; wait until it did" in third.stderr
    assert "edge-agent mark-good, or edge-agent rollback" in third.stderr
    assert "everything is there" in flash(bundles[1], target).stderr
    assert relay.carried_bytes - before < 10_000
    assert agent("mark-good", "--root", root).returncode == 0
    assert flash(bundles[2], target).returncode == 0


def test_the_agents_newer_code_comes_first_from_a_repository_that_has_it(
    tmp_path: Path, root: Path, relay: Relay, flash: Flash, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, repository = f"serial://{relay.host.path}?baud={BAUD}", tmp_path / "updates"

    def repo(*words: str | Path) -> None:
        assert run(["repo", *map(str, words)]) == 0

    repo("init", repository, "--no-passphrase")
    repo("add", null_bundle(tmp_path / "1.godwit", profiles=[PROFILE]), "--repo", repository)
    assert flash(repository, target).returncode == 0
    first_code(Root(root), code_file(tmp_path / "first"))
    repo("add", null_bundle(tmp_path / "2.godwit", profiles=[PROFILE], version="1.1"), "--repo", repository)
    repo("add", code_file(tmp_path / "code", "0.2.0"), "--device", PROFILE, "--repo", repository)
    monkeypatch.setattr(at_receiver, "VERSION", "0.2.0")
    dry = flash(repository, target, "--dry-run")
    assert "note: its agent is 0.1.0, this Godwit 0.2.0: a line brings it from a repository" in dry.stdout
    refused = flash(repository, target)
    assert refused.returncode == 4
    assert "expected tiny 1.1, found newer code of the agent, which came first and is on probation" in refused.stderr
    assert agent("mark-good", "--root", root).returncode == 0
    assert "tiny 1.1 is now active" in flash(repository, target).stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a device a small disk")
def test_a_device_without_room_says_so(tmp_path: Path, flash: Flash) -> None:
    small = tmp_path / "small"
    small.mkdir()
    with Relay(tmp_path) as relay:
        flags = ["--serial", str(relay.device.path), "--baud", str(BAUD), "--root", str(small / "root")]
        mounted = f'mount -t tmpfs -o size=8m tmpfs {small} && exec "$@"'
        line = ["unshare", "--mount", "sh", "-c", mounted, "sh", sys.executable, "-m", "edge_agent", "receive", *flags]
        with ended(subprocess.Popen(line, stderr=subprocess.DEVNULL)):
            until(lambda: relay.device.baud() == BAUD)
            done = flash(null_bundle(tmp_path / "tiny.godwit"), f"serial://{relay.host.path}?baud={BAUD}")
    assert done.returncode == 4
    assert "MB free, found 8 MB; free some space there" in done.stderr


def test_a_certificate_is_signed_and_brought_in_one_session(
    tmp_path: Path, root: Path, relay: Relay, flash: Flash
) -> None:
    godwit("init", tmp_path / "ca", "--no-passphrase")
    words = (null_bundle(tmp_path / "tiny.godwit"), f"serial://{relay.host.path}?baud={BAUD}", "--ca", tmp_path / "ca")
    done = flash(*words, "--device-id", "door-7", "--broker", "mqtts://127.0.0.1:8883")
    assert done.returncode == 0, done.stderr
    signed = (tmp_path / "ca/certificates/door-7.pem").read_bytes()
    assert (root / "update/identity/current/device.pem").read_bytes() == signed
    assert "everything is there" in flash(*words).stderr
    key = (root / "update/identity/current/device.key").read_bytes()
    assert not any(key in path.read_bytes() for path in (tmp_path / "ca").rglob("*") if path.is_file())

    enrol(root, tmp_path / "ca", days_ago=270)
    assert "door-7, for 398 days" in flash(*words, "--dry-run").stdout
    assert flash(*words).returncode == 0
    before = (root / "update/identity/current").readlink()
    # Another authority's comes by the next cable: the device goes on with the one that it knows.
    godwit("init", tmp_path / "evil", "--no-passphrase")
    refused = flash(*words[:-1], tmp_path / "evil")
    assert "another issuer" in refused.stderr
    assert (root / "update/identity/current").readlink() == before


def test_a_target_with_everything() -> None:
    text = "serial:///dev/ttyUSB0?baud=3000000&user=pi&root=/srv/godwit"
    assert serial_target.parse(text) == SerialTarget("/dev/ttyUSB0", 3_000_000, "pi", "/srv/godwit")


def test_everything_that_is_wrong_with_a_target_is_told() -> None:
    with pytest.raises(InputError) as raised:
        serial_target.parse("serial://ttyUSB0?baut=1&baud=99&root=here")
    assert len(raised.value.problems) == 4
    assert "did you mean 'baud'?" in str(raised.value)
