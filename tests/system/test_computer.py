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
STICK_MB = 64
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
        return write_bundle(
            self.folder / f"{version}.godwit",
            model(),
            (MODELS / "tiny-growing.tflite").read_bytes(),
            profiles=["linux-x86_64"],
            version=version,
            limits=Limits(60_000, 1000),
        )

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
    userland.want(debugfs="e2fsprogs")
    made = userland.make("trixie", "amd64", *emulated.PACKAGES)
    folder = tmp_path_factory.mktemp("computer")
    tree = folder / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", made, tree], check=True)
    (tree / "etc/fstab").write_text(FSTAB)
    (tree / "boot/firmware").mkdir()
    for name in ("etc", "var"):  # systemd-update-done(8): else caches are made anew at the first boot, for minutes here
        (tree / name / ".updated").touch()
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


def group(flashed: Flashed, name: str) -> str:
    """A file of the service's control group."""
    return flashed.computer.run("cat", f"{GROUP}/{name}", check=True).stdout


def counted(flashed: Flashed, name: str, what: str) -> int:
    """A counter in such a file."""
    return int(dict(line.split() for line in group(flashed, name).splitlines())[what])


def test_the_processor_is_shared_as_the_profile_says(flashed: Flashed) -> None:
    wanted = re.search(r"CPUQuota=(\d+)%", unit.drop_in(profile.load("linux-x86_64"), []))
    assert wanted
    assert group(flashed, "cpu.max").split() == [f"{wanted[1]}000", "100000"]
    busy = f"for _ in 1 2; do timeout 600 sh -c 'echo $$ > {GROUP}/cgroup.procs; while :; do :; done' & done; wait"
    starting = ("systemd-run", "--unit=busy", "--expand-environment=no")
    flashed.computer.run(*starting, "sh", "-c", busy, check=True)
    try:
        wait_until(lambda: counted(flashed, "cpu.stat", "nr_throttled") > 0, "the quota to be used up", PATIENCE_S)
    finally:
        flashed.computer.run("systemctl", "stop", "busy.service", check=True)


def test_a_worker_that_grows_dies_alone_at_the_profile_s_limit(flashed: Flashed) -> None:
    computer = flashed.computer
    agent(computer, "service", "--root", ROOT, "--profile", SMALL)
    flashed.runs("1.0")
    wanted = re.search(r"MemoryMax=(\d+)M", unit.drop_in(profile.load(SMALL), []))
    assert wanted
    assert int(group(flashed, "memory.max")) == int(wanted[1]) << 20
    before, worker = computer.shows(UNIT, "MainPID"), status(computer)["worker_pid"]
    assert computer.run("python3", "-c", ASK, check=True).stdout == "503\n"
    wait_until(lambda: status(computer).get("worker_pid") not in (0, worker, None), "another worker", PATIENCE_S)
    flashed.runs("1.0")
    assert counted(flashed, "memory.events", "oom_kill") == 1
    assert (computer.shows(UNIT, "MainPID"), computer.shows(UNIT, "NRestarts")) == (before, "0")


def test_a_stick_is_mounted_when_it_appears_and_takes_the_outcome_home(flashed: Flashed) -> None:
    computer, brought = flashed.computer, flashed.folder / "stick"
    brought.mkdir()
    flash(flashed.folder, flashed.bundle("2.0"), f"dir://{brought}?as=stick")
    stick = flashed.folder / "stick.img"
    with stick.open("wb") as stream:
        stream.truncate(STICK_MB << 20)
    images.run("mkfs.vfat", "-n", "GODWIT", stick)
    images.run("mtools", "-c", "mcopy", "-s", "-i", stick, brought / "godwit", "::/")
    computer.plug_in(stick)
    computer.waits("edge-agent-stick.service", "ActiveState", lambda state: state in ("active", "failed"), PATIENCE_S)
    flashed.runs("2.0")
    computer.pull_out()
    computer.waits("media-godwit.mount", "ActiveState", lambda state: state == "inactive", PATIENCE_S)
    computer.waits("edge-agent-stick.service", "ActiveState", lambda state: state == "inactive", PATIENCE_S)
    outcome = json.loads(images.run("mtools", "-c", "mtype", "-i", stick, "::/godwit-outcome/door-7.json"))
    assert (outcome["problems"], outcome["installed"]["version"]) == ([], "2.0")


def test_a_version_on_probation_outlives_a_power_cut(flashed: Flashed) -> None:
    computer = flashed.computer
    computer.cut()
    computer.boot()
    flashed.runs("2.0")
    assert "edge-agent-boot.service" in computer.run("journalctl", "--boot", "--no-pager").stdout
    told = json.loads(agent(computer, "history", "--root", ROOT, "--json"))
    assert (told["state"], told["entries"][-1]["version"]) == ("proving", "1.0")
    computer.run("runuser", "-u", "godwit-update", "--", userland.PROGRAM, "mark-good", "--root", ROOT, check=True)


def test_a_kit_comes_over_a_serial_line(flashed: Flashed) -> None:
    computer = flashed.computer
    receiving = f"edge-agent-receive@{LINE}.service"
    computer.run("systemctl", "enable", "--now", receiving, check=True)
    computer.waits(receiving, "ActiveState", lambda state: state == "active", PATIENCE_S)
    flash(flashed.folder, flashed.bundle("3.0"), f"serial://{computer.line()}?baud=115200")
    flashed.runs("3.0")


def test_the_card_is_whole_at_the_end(flashed: Flashed) -> None:
    flashed.computer.halt()
    images.check(flashed.card)
    assert json.loads(images.boot_file(flashed.card, "godwit/outcome.json"))["state"] == "installed"
