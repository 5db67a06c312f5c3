"""`godwit flash ssh://`, over a real sshd on loopback; the device is a bare folder of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from firmware_profiles import profile
from tests.edge_agent.support import null_bundle
from tests.fleet.conftest import staged
from tests.sshd import Sshd

PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"
STALL = """
import os, time
left = 8_000_000
while left > 0:
    chunk = os.read(0, min(left, 65536))
    os.write(1, chunk)
    left -= len(chunk)
time.sleep(60)
"""
WAIT_S = 120.0


def line(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "godwit", "flash", *map(str, words)]


def flash(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line(*words), capture_output=True, text=True, check=False, timeout=WAIT_S)


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def errors(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [each for each in done.stderr.splitlines() if each.startswith("error: ")]


def test_a_bare_device_gets_the_agent_and_the_deployment_once(device: Sshd, root: Path, tmp_path: Path) -> None:
    bundle, target = null_bundle(tmp_path / "tiny-1.godwit", profiles=[PROFILE]), f"{device.url}?root={root}"
    dry = flash(bundle, target, "--dry-run")
    assert "would bring the agent for Python" in dry.stdout, dry.stderr
    assert not root.exists()

    first = flash(bundle, target, "--device-id", "door-7", "--broker", "mqtt://h:1884", "--json")
    assert json.loads(first.stdout)["changed"] is True, first.stderr
    assert json.loads(first.stdout)["device"] == "door-7"
    assert not staged(root)
    # What lies there runs without anything of ours beside it.
    ran = subprocess.run(
        ["/usr/bin/python3", "-S", "-m", "edge_agent", "selftest", bundle],
        env={"PYTHONPATH": str(root / "agent" / "active")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr

    before = tree(root)
    again = flash(bundle, target)
    assert "everything is there" in again.stderr, again.stderr
    assert "was there already" in again.stdout
    assert tree(root) == before

    older = flash(null_bundle(tmp_path / "tiny-0.godwit", profiles=[PROFILE], version="0.9"), target)
    assert older.returncode == 4
    assert "expected tiny 0.9 or older, found the newer 1.0" in older.stderr
    assert tree(root) == before


def test_a_broken_link_leaves_nothing_and_what_arrived_is_not_sent_again(
    device: Sshd, root: Path, tmp_path: Path
) -> None:
    bundle, target = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE]), f"{device.url}?root={root}"
    stalls = tmp_path / "device" / "bin" / "python3"
    stalls.write_text(
        f"#!/bin/sh\ncase \"$2\" in *'Take files from stdin'*) /usr/bin/python3 -c '{STALL}' | "
        'exec /usr/bin/python3 "$@";; *) exec /usr/bin/python3 "$@";; esac\n'
    )
    stalls.chmod(0o755)
    with subprocess.Popen(line(bundle, target), stderr=subprocess.PIPE, text=True) as first:
        wait_for(lambda: first.poll() is not None or sum(path.stat().st_size for path in staged(root)) > 4_000_000)
        second = flash(bundle, target)
        device.drop()
        _, told = first.communicate(timeout=WAIT_S)
    assert first.returncode == 4, told
    assert "expected a link that holds, found one that broke" in told
    assert second.returncode == 4
    assert "expected a device that nobody else flashes, found root on" in second.stderr, second.stderr
    assert not root.exists()

    stalls.unlink()
    arrived = sum(path.stat().st_size for path in staged(root))
    wait_for(lambda: arrived == sum(path.stat().st_size for path in staged(root)))
    third = flash(bundle, target)
    assert "tiny 1.0 is now active" in third.stdout, third.stderr
    first_said = next(each for each in third.stderr.splitlines() if ": sent " in each)
    assert float(first_said.partition(": sent ")[2].split()[0]) * 1e6 >= arrived > 0


def test_who_is_not_let_in_is_told_why(device: Sshd, root: Path, tmp_path: Path) -> None:
    bundle, target = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE]), f"{device.url}?root={root}"
    other = null_bundle(tmp_path / "other.godwit", arch="armv7l", profiles=["raspberry-pi-5"])
    found = flash(other, target)
    assert "expected a userland for armv7l" in found.stderr
    assert "expected the board" not in found.stderr
    assert "convert with --target" in found.stderr
    no_python = tmp_path / "device" / "bin" / "python3"
    no_python.write_text("#!/bin/sh\nexit 127\n")
    no_python.chmod(0o755)
    assert "expected the program python3, found none; install it there" in flash(bundle, target).stderr
    no_python.unlink()
    device.trust("")
    unknown = flash(bundle, target)
    assert unknown.returncode == 4
    assert "found a host that is not in it; connect once by hand" in unknown.stderr
    assert len(errors(unknown)) == 1
    device.trust((tmp_path / "device" / "user.pub").read_text())
    posing = flash(bundle, target)
    assert "expected the host key in known_hosts, found another key; find out why" in posing.stderr
    assert not root.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can log in as one who has no rights")
def test_who_may_neither_write_nor_use_sudo_is_told_what_to_do(device: Sshd, tmp_path: Path) -> None:
    bundle = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE])
    nobody = tmp_path / "device" / "bin" / "python3"
    without = "PATH=/nowhere exec /usr/bin/setpriv --reuid=65534 --regid=65534 --clear-groups"
    nobody.write_text(f'#!/bin/sh\n{without} /usr/bin/python3 "$@"\n')
    nobody.chmod(0o755)
    done = flash(bundle, device.url, "--dry-run")  # dry, lest it be installed on this very machine if this fails
    assert done.returncode == 4
    assert "expected the right to write to /var/lib/godwit, found neither root nor sudo; log in as root" in done.stderr
    assert f"without a service: {device.url}?root=DIR" in done.stderr


class Cramped(Sshd):
    """Has 8 MB for what arrives."""

    def _entered(self, line: list[str]) -> list[str]:
        mount = 'mount -t tmpfs -o size=8m tmpfs /var/tmp && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", mount, "sh", *super()._entered(line)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give sshd a small disk")
def test_no_space_is_told_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "device").mkdir()
    bundle = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE])
    with Cramped(tmp_path / "device", tmp_path) as sshd:
        monkeypatch.setenv("PATH", f"{sshd.path}:{os.environ['PATH']}")
        done = flash(bundle, f"{sshd.url}?root={tmp_path}/root")
    assert done.returncode == 4
    assert "MB of free space, found 8 MB; free some space there: nothing was sent" in done.stderr
    assert not (tmp_path / "root").exists()


def test_a_password_comes_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    (tmp_path / "device").mkdir()
    bundle = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE])
    with Sshd(tmp_path / "device", tmp_path, right.read_text().strip()) as sshd:
        monkeypatch.setenv("PATH", f"{sshd.path}:{os.environ['PATH']}")
        target = f"{sshd.url}?root={tmp_path}/root"
        without = flash(bundle, target, "--dry-run")
        assert "Permission denied" in without.stderr
        refused = flash(bundle, target, "--dry-run", "--password-file", wrong)
        assert "expected a password or key that is taken" in refused.stderr
        assert "battery" not in refused.stderr
        let_in = flash(bundle, target, "--dry-run", "--password-file", right)
        assert "would install tiny 1.0" in let_in.stdout, let_in.stderr
