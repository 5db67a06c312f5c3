"""A card in a whole computer by qemu-system, which boots it: what containers cannot show is shown on that.

The kernel's own control groups, devices that come with udev, FAT partitions that are mounted, and a power cut that
takes with it what was not written. The boot loader is not exercised: QEMU loads the kernel, as a board's firmware does.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge_agent import unit
from firmware_profiles import profile
from firmware_profiles.manifest import Limits
from tests.edge_agent.support import MODELS, model, wait_until, write_bundle
from tests.fleet import images
from tests.system import emulated, userland
from tests.system.emulated import LINE, Computer
from tests.system.serviced import ROOT, UNIT, agent, status

pytestmark = pytest.mark.system

PATIENCE_S = 900.0
ROOT_MB = 1400
FSTAB = "LABEL=rootfs / ext4 defaults 0 1\nLABEL=BOOTFS /boot/firmware vfat defaults 0 2\n"
SMALL = "raspberry-pi-zero-2w"
GROUP = f"/sys/fs/cgroup/system.slice/{UNIT}"
ASK = """
import json, urllib.error, urllib.request
tensor = {"name": "image", "shape": [1, 6, 6, 1], "datatype": "FP32", "data": [2000.0] * 36}
data = json.dumps({"inputs": [tensor]}).encode()
try:
    print(urllib.request.urlopen("http://127.0.0.1:8000/v2/models/tiny/infer", data, timeout=600).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


class Flashed(NamedTuple):
    """A computer, its card, and where the goods for it are."""

    computer: Computer
    card: Path
    folder: Path
    booted_s: float

    def bundle(self, version: str) -> Path:
        """A model that takes memory as its input says; here nothing is fast."""
        of = write_bundle(
            self.folder / f"{version}.godwit",
            model(),
            (MODELS / "tiny-growing.tflite").read_bytes(),
            profiles=["linux-x86_64"],
            version=version,
            limits=Limits(60_000, 1000),
        )
        return of

    def runs(self, version: str) -> None:
        """Wait until the agent answers with that version."""

        def does() -> bool:
            told = status(self.computer)
            return (told["state"], told.get("version")) == ("running", version)

        wait_until(does, f"version {version} to run", PATIENCE_S)


def flash(folder: Path, *words: str | Path) -> str:
    """What `godwit flash` prints; the signing repository is these tests' own."""
    line = [sys.executable, "-m", "godwit", "flash", *map(str, words)]
    environment = os.environ | {"XDG_DATA_HOME": str(folder / "data")}
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flashed]:
    """A computer that boots a flashed card for the first time."""
    userland.want(debugfs="e2fsprogs", qemu_system_x86_64="qemu-system-x86")
    made = userland.make("trixie", "amd64", *emulated.PACKAGES)
    folder = tmp_path_factory.mktemp("computer")
    tree = folder / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", made, tree], check=True)
    (tree / "etc/fstab").write_text(FSTAB)
    (tree / "boot/firmware").mkdir()
    card = images.disk(folder / "card.img", tree, root_mb=ROOT_MB, boot_files={"config.txt": b""})
    shutil.rmtree(tree)
    computer = Computer(folder, made, card, "LABEL=rootfs")
    flashed = Flashed(computer, card, folder, 0)
    flash(folder, flashed.bundle("1.0"), f"image://{card}", "--device-id", "door-7")
    yield flashed._replace(booted_s=computer.boot())
    computer.cut()
    shutil.rmtree(folder)


def test_a_card_boots_and_installs_itself(flashed: Flashed, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nqemu-system booted the card within {flashed.booted_s:.0f} s")
    path = "/boot/firmware/godwit/outcome.json"

    def told() -> Any:
        return json.loads(flashed.computer.run("cat", path).stdout or "{}")

    wait_until(lambda: told().get("state") not in (None, "pending"), "the outcome", PATIENCE_S)
    assert (told()["state"], told()["device"]) == ("installed", "door-7"), told()
    assert flashed.computer.run("findmnt", "--noheadings", "--output=FSTYPE", "/boot/firmware").stdout == "vfat\n"
    flashed.runs("1.0")
