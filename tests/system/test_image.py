"""A card as a device meets it: its root boots a real systemd, which installs what `godwit flash` brought.

The kernel, its boot loader and the mount of the boot partition are not exercised: systemd-nspawn starts the root tree
that was taken out of the image, and a folder of the host's memory stands for the FAT partition.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.support import NULL, model, wait_until, write_bundle
from tests.fleet import images
from tests.fleet.authorities import godwit
from tests.fleet.conftest import Flash, flash
from tests.fleet.test_flash_image import ENABLED, FOLDER, mtools
from tests.system import userland
from tests.system.booted import Machine, OwnBrokerInside
from tests.system.serviced import UNIT, device_root, status

__all__ = ["flash", "mtools"]  # fixtures
pytestmark = pytest.mark.system

ROOT_MB = 900
FSTAB = "LABEL=bootfs /boot/firmware vfat noauto 0 0\n"
BOOT = "/boot/firmware"
MEMORY = "/dev/shm"  # noqa: S108  # a file system of its own, so that it is seen as a mount
FIRST_BOOT = "godwit-first-boot.service"


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The image of a real Debian."""
    userland.want(systemd_nspawn="systemd-container", debugfs="e2fsprogs")
    made = userland.make("trixie", "amd64", "dbus", "systemd-sysv")
    folder = tmp_path_factory.mktemp("card")
    tree = folder / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", made, tree], check=True)
    (tree / "etc/fstab").write_text(FSTAB)
    (tree / BOOT[1:]).mkdir(parents=True)
    yield images.disk(folder / "card.img", tree, root_mb=ROOT_MB, boot_files={"config.txt": b""})
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def boot() -> Iterator[Path]:
    """The boot partition, as any computer sees it."""
    with tempfile.TemporaryDirectory(prefix="godwit-boot-", dir=MEMORY) as folder:
        yield Path(folder)


@pytest.fixture
def machine(tmp_path: Path, card: Path, boot: Path) -> Iterator[Machine]:
    """What the card boots, once it was flashed by `flashed`."""
    machine = Machine(tmp_path / "root", tmp_path / "boot.log", {BOOT: boot})
    yield machine
    shutil.rmtree(tmp_path, ignore_errors=True)


def flashed(machine: Machine, card: Path, flash: Flash, *words: str | Path) -> None:
    """A copy of the card is flashed, and its root becomes the machine's."""
    folder = machine.tree.parent
    mine = folder / card.name
    subprocess.run(["cp", "--sparse=always", card, mine], check=True)
    of = model(name="pets", file="models/null.json", format="null", runtimes=list(NULL))
    bundle = folder / "pets-1.0.godwit"
    profiles = ["linux-x86_64"]
    write_bundle(bundle, of, b'{"outputs": [[1, 3]]}', name="pets", arch="x86_64", profiles=profiles, version="1.0")
    done = flash(bundle, f"image://{mine}", "--device-id", "door-7", *words)
    assert done.returncode == 0, done.stderr
    images.check(mine)
    machine.tree.mkdir()
    images.ask(mine, f"rdump / {machine.tree}")
    mine.unlink()


@contextmanager
def booted(machine: Machine) -> Iterator[None]:
    machine.boot()
    try:
        yield
    finally:
        machine.halt()


def outcome(machine: Machine, boot: Path) -> Any:
    told = machine.journal(FIRST_BOOT)
    assert (boot / "godwit/outcome.json").exists(), told
    return json.loads((boot / "godwit/outcome.json").read_text())


def test_a_card_installs_itself_at_its_first_boot(machine: Machine, card: Path, boot: Path, flash: Flash) -> None:
    flashed(machine, card, flash)
    with booted(machine):
        told = outcome(machine, boot)
        assert (told["state"], told["deployment"], told["device"]) == ("installed", "pets", "door-7")
        machine.waits(UNIT, "ActiveState", lambda state: state == "active")
        assert [path.name for path in (machine.tree / FOLDER[1:]).iterdir()] == ["outcome.json"]
        assert not (machine.tree / ENABLED[1:]).is_symlink()
    with booted(machine):
        assert machine.shows(FIRST_BOOT, "ActiveState") == "inactive"
        machine.waits(UNIT, "ActiveState", lambda state: state == "active")


def test_a_card_asks_for_its_certificate_and_takes_it_at_the_next_boot(
    machine: Machine, card: Path, boot: Path, flash: Flash, tmp_path: Path
) -> None:
    authority, place = tmp_path / "ca", tmp_path / "broker"
    place.mkdir()
    godwit("init", authority, "--no-passphrase")
    flashed(machine, card, flash, "--ca", authority, "--broker", "mqtts://127.0.0.1:8883")
    with booted(machine):
        assert outcome(machine, boot)["state"] == "installed"
        assert (machine.tree / ENABLED[1:]).is_symlink()
        request = (boot / "godwit/request.csr").read_bytes()
    signed = godwit("sign", "-", "--ca", authority, "--device-id", "door-7", stdin=request)
    (boot / "godwit/device.pem").write_text(signed)
    shutil.copy(authority / "ca.pem", boot / "godwit/ca.pem")
    with booted(machine), OwnBrokerInside(place, authority, machine):
        wait_until(lambda: bool(status(machine).get("connected")), "the broker", 90)
        assert (device_root(machine).identity / "current/device.pem").read_text() == signed
        assert not (machine.tree / ENABLED[1:]).is_symlink()
