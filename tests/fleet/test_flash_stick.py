"""`godwit flash dir://`, where a stick is mounted: written for other devices, which install it if they trust it."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from firmware_profiles import profile
from tests.edge_agent.support import agent, null_bundle
from tests.fleet.conftest import Flash
from tests.fleet.repositories import Command

PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"
HERE = "3.11"
"""Of the system's own Python, which the bare device has."""


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick" / "holiday.jpg").write_bytes(b"\xff\xd8")
    return tmp_path / "stick"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_device_installs_what_the_stick_brings(flash: Flash, stick: Path, tmp_path: Path) -> None:
    root, target = tmp_path / "device", f"dir://{stick}?as=stick"
    assert flash(null_bundle(tmp_path / "1.godwit", profiles=["here"]), f"dir://{root}").returncode == 0
    newer = null_bundle(tmp_path / "2.godwit", profiles=["here"], version="1.1")
    dry = flash(newer, target, "--dry-run")
    assert "would write tiny 1.1 for here" in dry.stdout, dry.stderr
    assert list(stick.iterdir()) == [stick / "holiday.jpg"]

    done = flash(newer, target)
    assert "tiny 1.1 is for the devices that it is plugged into" in done.stdout, done.stderr
    agent("mark-good", "--root", root)
    installed = agent("install", stick / "godwit", "--root", root, "--json")
    assert json.loads(installed.stdout)["version"] == "1.1", installed.stderr

    before = files(stick)
    again = flash(newer, target)
    assert "everything is there" in again.stderr, again.stderr
    assert files(stick) == before
    assert before["holiday.jpg"] == b"\xff\xd8"


def test_a_bare_device_gets_the_agent_from_the_stick(flash: Flash, stick: Path, tmp_path: Path) -> None:
    root, bundle = tmp_path / "device", null_bundle(tmp_path / "1.godwit", profiles=[PROFILE])
    done = flash(bundle, f"dir://{stick}?as=stick&python={HERE}")
    assert f"will bring the agent for Python {HERE} on" in done.stderr, done.stderr
    line = ["/usr/bin/python3", stick / "godwit-bootstrap.pyz", "--root", root, "--device-id", "door-7"]
    first = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (first.returncode, json.loads(first.stdout or "{}").get("device")) == (0, "door-7"), first.stderr
    assert (root / "agent" / "proven").readlink() == (root / "agent" / "active").readlink()
    before = files(root / "slots")
    again = subprocess.run(line, capture_output=True, text=True, check=False)
    assert json.loads(again.stdout)["changed"] is False
    assert files(root / "slots") == before

    (stick / "godwit-agent").rename(stick / "elsewhere")
    none = subprocess.run([*line[:2], "--root", tmp_path / "other"], capture_output=True, text=True, check=False)
    assert none.returncode == 4
    assert "found none; flash this device over ssh or serial" in none.stderr
    assert not (tmp_path / "other").exists()


def test_a_repository_goes_onto_a_stick_as_a_whole(
    flash: Flash, godwit: Command, stick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GODWIT_PASSPHRASE", godwit.secret.read_text().strip())
    godwit.init()
    for index, name in enumerate((PROFILE, "raspberry-pi-5")):
        godwit.repo("add", null_bundle(tmp_path / f"{index}.godwit", profiles=[name], version=f"1.{index}"))
    done = flash(godwit.folder, f"dir://{stick}?as=stick")
    assert done.returncode == 0, done.stderr
    targets = [path.name for path in (stick / "godwit" / "targets").rglob("*.godwit")]
    assert sorted(name.split(".", 1)[1] for name in targets) == sorted(
        [f"tiny-1.0-{PROFILE}.godwit", "tiny-1.1-raspberry-pi-5.godwit"]
    )
    kit = flash(stick / "godwit", f"dir://{tmp_path / 'device'}")
    assert "tiny 1.0 is now active" in kit.stdout, kit.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small stick")
def test_a_stick_without_room_is_told_before_anything_is_written(stick: Path, tmp_path: Path) -> None:
    bundle = null_bundle(tmp_path / "1.godwit", profiles=["here"])
    line = [sys.executable, "-m", "godwit", "flash", str(bundle), f"dir://{stick}"]
    script = f'mount -t tmpfs -o size=1m tmpfs {stick}; "$@"; code=$?; ls -A {stick}; exit $code'
    variables = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *line],
        capture_output=True, text=True, env=variables, check=False,
    )  # fmt: skip
    assert done.returncode == 4, done.stderr
    assert "MB of free space, found 1.0 MB; remove what else is on it: nothing was written" in done.stderr
    assert done.stdout == ""


def test_a_full_locked_or_held_stick_stays_as_it_was(flash: Flash, stick: Path, tmp_path: Path) -> None:
    bundle, target = null_bundle(tmp_path / "1.godwit", profiles=["here"]), f"dir://{stick}?as=stick"
    before = files(stick)
    handle = os.open(stick, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    owner = f"{pwd.getpwuid(os.geteuid()).pw_name}, process {os.getpid()}"
    assert f"found {owner}, who does; wait for it" in flash(bundle, target).stderr
    os.close(handle)
    assert "neither --device-id nor --broker for a stick" in flash(bundle, target, "--device-id", "x").stderr
    assert "found no such file or directory" in flash(bundle, f"dir://{tmp_path}/none?as=stick").stderr
    assert "expected ?as=root, ?as=stick or ?python=VERSION" in flash(bundle, f"dir://{stick}?as=drive").stderr
    (stick / ".godwit.tmp").write_text("in the way")
    assert flash(bundle, target).returncode == 4
    (stick / ".godwit.tmp").unlink()
    assert files(stick) == before
