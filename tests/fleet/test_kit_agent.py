"""A kit that was signed elsewhere, with and without the agent: what a bare device gets from it, and what not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from firmware_profiles import profile
from tests.edge_agent.support import null_bundle
from tests.fleet.conftest import Flash
from tests.fleet.parcels import listed
from tests.fleet.repositories import Command
from tests.sshd import Sshd

ARCH = profile.userland_arch()
PROFILE = "linux-x86_64" if ARCH == "x86_64" else "linux-arm64"
HERE = "3.11"
"""Of the system's own Python, which the bare device has."""


@pytest.fixture
def repository(godwit: Command, tmp_path: Path) -> Command:
    """With one deployment for this machine."""
    godwit.init()
    godwit.repo("add", null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE]))
    return godwit


def lists(kit: Path) -> set[str]:
    """Hashes of the lists that its targets name."""
    (targets,) = (kit / "metadata").glob("*.targets.json")
    named = json.loads(targets.read_text())["signed"]["targets"].values()
    return {each["hashes"]["sha256"] for each in named if each["custom"].get("lists") == "agent"}


def tree(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def bootstrap(stick: Path, root: Path) -> subprocess.CompletedProcess[str]:
    line = ["/usr/bin/python3", stick / "godwit-bootstrap.pyz", "--root", root]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def swap(agent: Path, marker: Path) -> None:
    """Somebody puts evil code into the wheel of Godwit's own, and makes the list fit."""
    (own,) = agent.glob("godwit-*.whl")
    with zipfile.ZipFile(own) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files["edge_agent/__init__.py"] += f"\nopen({str(marker)!r}, 'w').close()\n".encode()
    with zipfile.ZipFile(own, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    listed(agent)


def test_a_kit_with_the_agent_on_a_stick(repository: Command, flash: Flash, tmp_path: Path) -> None:
    kit, stick, root, marker = (tmp_path / name for name in ("kit", "stick", "device", "was-here"))
    stick.mkdir()
    told = repository.repo("kit", kit, "--with-agent", "--python", HERE)
    assert told["agents"] == [f"cp311-{ARCH}"]
    agent = kit / "agents" / told["agents"][0]
    assert lists(kit) == {hashlib.sha256((agent / "agent.json").read_bytes()).hexdigest()}
    public = repository.public()
    repository.repo("kit", kit, "--with-agent", "--python", HERE)
    assert repository.public() == public

    target = f"dir://{stick}?as=stick&python={HERE}"
    done = flash(kit, target)
    assert f"will bring the agent for Python {HERE}" in done.stderr, done.stderr
    assert not (stick / "godwit" / "agents").exists()
    before = tree(stick)
    assert "everything is there" in flash(kit, target).stderr
    assert tree(stick) == before
    first = bootstrap(stick, root)
    assert first.returncode == 0, first.stderr

    (listing,) = (stick / "godwit" / "metadata").glob("*.targets.json")
    listing.write_text("{}")  # as if the stick had been pulled before the kit that lists the agent was there
    assert "would bring the agent" in flash(kit, target, "--dry-run").stdout
    assert flash(kit, target).returncode == 0
    assert tree(stick) == before

    swap(stick / "godwit-agent" / agent.name, marker)
    installed = tree(root)
    refused = bootstrap(stick, root)
    assert (refused.returncode, marker.exists()) == (6, False), refused.stderr
    assert tree(root) == installed
    bare = bootstrap(stick, tmp_path / "bare")
    assert bare.returncode == 6, bare.stderr
    assert "expected an agent for cp311" in bare.stderr
    assert not (tmp_path / "bare").exists()


def test_a_kit_without_the_agent_is_for_devices_that_have_it(
    repository: Command, device: Sshd, root: Path, flash: Flash, tmp_path: Path
) -> None:
    kit, whole, target = tmp_path / "kit", tmp_path / "whole", f"{device.url}?root={root}"
    assert repository.repo("kit", kit)["agents"] == []
    refused = flash(kit, target)
    assert refused.returncode == 4
    assert "expected a kit with the agent for Python" in refused.stderr
    assert "which is not there yet, found one without; ask for one with it: godwit repo kit OUT" in refused.stderr
    assert not root.exists()
    repository.repo("kit", whole, "--with-agent", "--python", HERE)
    first = flash(whole, target)
    assert "tiny 1.0 is now active" in first.stdout, first.stderr
    assert not (root / "agent" / "b").exists()
    repository.repo("add", null_bundle(tmp_path / "newer.godwit", profiles=[PROFILE], version="1.1"))
    repository.repo("kit", kit)
    newer = flash(kit, target)
    assert "tiny 1.1 is now active" in newer.stdout, newer.stderr
    assert "everything is there" in flash(kit, target).stderr

    (tmp_path / "stick").mkdir()
    on_stick = flash(kit, f"dir://{tmp_path / 'stick'}?as=stick&python={HERE}", "--dry-run")
    assert f"note: no agent comes along for Python {HERE} on {ARCH}: the kit has none" in on_stick.stdout


def test_wheels_that_the_kit_does_not_sign(repository: Command, flash: Flash, tmp_path: Path) -> None:
    code, _, told = repository.tried("kit", tmp_path / "kit", "--python", HERE)
    assert code == 2
    assert "--python: expected --with-agent beside it, found none" in told
    repository.repo("kit", tmp_path / "without")
    refused = flash(tmp_path / "without", f"dir://{tmp_path / 'device'}", "--wheels", tmp_path)
    assert "--wheels: expected a bundle or a repository that is signed here, found a kit" in refused.stderr
    plan = repository.repo("kit", tmp_path / "kit", "--with-agent", "--python", HERE, "--dry-run")
    assert plan["agents"] == [f"cp311-{ARCH}"]
    assert not (tmp_path / "kit").exists()
