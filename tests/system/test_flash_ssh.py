"""`godwit flash ssh://` to bare Debian userlands: a real sudo, and 64-bit Arm by qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from firmware_profiles.evaluation import Evaluation
from tests.edge_agent.support import LITERT, Subscriber, agent, images, null_bundle, wait_until, write_bundle
from tests.system import userland
from tests.system.sshd_inside import SshdInside
from tools import processes
from tools.broker import Broker

pytestmark = pytest.mark.system

SUITES = {"bookworm": "3.11", "trixie": "3.13"}
ROOT = "/var/lib/godwit"
AGENT = f"env PYTHONPATH={ROOT}/agent/active python3 -m edge_agent"
PASSWORD = "correct horse"  # noqa: S105  # of nobody
EMULATED_S = 300.0
INPUTS = 60


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """For sshd: every user can read it."""
    userland.want(openssl="openssl", ssh_keygen="openssh-client")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = Path(tempfile.mkdtemp(prefix="godwit-sshd-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def flash(sshd: SshdInside, *words: str | Path) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "godwit", "flash", *map(str, words)]
    environment = {**os.environ, "PATH": f"{sshd.path}:{os.environ['PATH']}"}
    return subprocess.run(line, capture_output=True, text=True, check=False, env=environment)


def everything(tree: Path) -> dict[str, float]:
    """Each path below it on its own disk, and when that was changed."""
    line = ["find", tree, "-xdev", "-printf", "%P %T@\\n"]
    found = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    return {path: float(when) for path, _, when in (each.rpartition(" ") for each in found.splitlines())}


def test_sudo_with_a_password_and_without_a_terminal(folder: Path, tmp_path: Path) -> None:
    bundle = null_bundle(tmp_path / "tiny.godwit")
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text(f"{PASSWORD}\n")
    wrong.write_text("battery staple\n")
    tree = userland.make("bookworm", "amd64", "sudo")
    with SshdInside(folder, tree, "pi", PASSWORD) as sshd:
        without = flash(sshd, bundle, sshd.url)
        assert "found a sudo that wants a password; give the password's file" in without.stderr
        refused = flash(sshd, bundle, sshd.url, "--password-file", wrong)
        assert "found incorrect password" in refused.stderr
        bob = flash(sshd, bundle, sshd.url.replace("pi@", "bob@"), "--password-file", right)
        assert "found not in the sudoers file" in bob.stderr
        assert not (sshd.tree / ROOT[1:]).exists()
        done = flash(sshd, bundle, sshd.url, "--password-file", right)
        assert "tiny 1.0 is now active" in done.stdout, done.stderr
        assert (sshd.tree / ROOT[1:] / "slots" / "active" / "manifest.json").stat().st_uid == 0
        assert not list((sshd.tree / "var/tmp").glob("godwit-*/*"))
        again = flash(sshd, bundle, sshd.url, "--password-file", right)
        assert "everything is there" in again.stderr, again.stderr


@pytest.mark.parametrize(
    ("suite", "architecture", "told"),
    [
        ("bookworm", "i386", ["expected a userland for x86_64, found i686 on a kernel for x86_64"]),
        ("bullseye", "amd64", ["expected glibc 2.36 or newer, found 2.31", "expected Python 3.10 to 3.13, found 3.9"]),
    ],
)
def test_a_userland_that_it_is_not_for(
    suite: str, architecture: str, told: list[str], folder: Path, tmp_path: Path
) -> None:
    bundle = null_bundle(tmp_path / "tiny.godwit", arch="x86_64", profiles=["raspberry-pi-5"])
    with SshdInside(folder, userland.make(suite, architecture), "root", PASSWORD) as sshd:
        before = everything(sshd.tree)
        done = flash(sshd, bundle, sshd.url)
        assert done.returncode == 4
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert [text for line, text in zip(errors, told, strict=True) if text not in line] == [], errors
        assert everything(sshd.tree) == before


@pytest.mark.parametrize("suite", SUITES)
def test_a_bare_arm_device_predicts_as_the_host_does(suite: str, folder: Path, tmp_path: Path, broker: Broker) -> None:
    data, outputs = tmp_path / "d.npz", tmp_path / "y.npz"
    np.savez(data, x=images(INPUTS, seed=11), y=np.arange(INPUTS) % 3)
    there = write_bundle(tmp_path / "there.godwit", arch="aarch64", profiles=["linux-arm64"])
    here = write_bundle(tmp_path / "here.godwit")
    tree = userland.make(suite, "arm64")
    with SshdInside(folder, tree, "root", PASSWORD) as sshd:
        wrong = flash(sshd, here, sshd.url)
        assert "expected a userland for x86_64, found aarch64" in wrong.stderr
        done = flash(sshd, there, sshd.url, "--device-id", "arm-1", "--broker", broker.url)
        assert "tiny 1.0 is now active" in done.stdout, done.stderr
        assert f"will bring the agent for Python {SUITES[suite]} on aarch64" in done.stderr

        line = f"{AGENT} evaluate {sshd.bring(there)} --data {sshd.bring(data)} --runs 0 --outputs /srv/y.npz --json"
        told = sshd.run(line)
        assert told.returncode == 0, told.stderr
        theirs = msgspec.json.decode(told.stdout, type=Evaluation)
        mine = agent("evaluate", here, "--data", data, "--runs", "0", "--outputs", outputs, "--json", check=True)
        ours = msgspec.json.decode(mine.stdout, type=Evaluation)
        assert (theirs.machine.arch, theirs.metric, theirs.value) == ("aarch64", ours.metric, ours.value)
        with np.load(sshd.tree / "srv/y.npz") as those, np.load(outputs) as these:
            assert max(np.abs(those[name] - these[name]).max() for name in these) <= LITERT[0].tolerance

        with (sshd.tree / ROOT[1:] / "etc/agent.toml").open("a") as stream:
            stream.write('[http]\nlisten = ""\n[worker]\ndeadline_s = 60\n')
            stream.write('[[source]]\nname = "replay"\nkind = "replay"\npath = "/srv/d.npz"\n')
        destination = sshd.url.removeprefix("ssh://").partition(":")[0]
        running = [sshd.path / "ssh", "-tt", "-p", str(sshd.port), destination, f"{AGENT} run --root {ROOT}"]
        with Subscriber(broker.port) as subscriber, (tmp_path / "log").open("wb") as log:
            process = processes.start(list(map(str, running)), log, log)
            try:
                wait_until(lambda: len(subscriber.of("prediction")) >= INPUTS, "every prediction", EMULATED_S)
            finally:
                processes.stop(process)
