"""A card as a device meets it: its root boots a real systemd, which installs what `godwit flash` brought.

The kernel, its boot loader and the mount of the boot partition are not exercised: systemd-nspawn starts the root tree
that was taken out of the image, and a tmpfs stands for the FAT partition.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.support import NULL, model, write_bundle
from tests.fleet import images
from tests.fleet.conftest import Flash, flash
from tests.fleet.test_flash_image import ENABLED, FOLDER, mtools
from tests.system import booted, userland

__all__ = ["flash", "mtools"]  # fixtures
pytestmark = pytest.mark.system

ROOT_MB = 900
FSTAB = "tmpfs /boot/firmware tmpfs defaults 0 0\nLABEL=bootfs /boot/firmware vfat noauto 0 0\n"


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """The image of a real Debian."""
    userland.want(systemd_nspawn="systemd-container", debugfs="e2fsprogs")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    made = userland.make("trixie", architecture, "dbus", "systemd-sysv")
    tree = tmp_path / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", made, tree], check=True)
    (tree / "etc/fstab").write_text(FSTAB)
    (tree / "boot/firmware").mkdir(parents=True)
    yield images.disk(tmp_path / "card.img", tree, root_mb=ROOT_MB, boot_files={"config.txt": b""})
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_card_installs_itself_at_its_first_boot(tmp_path: Path, card: Path, flash: Flash) -> None:
    of = model(name="pets", file="models/null.json", format="null", runtimes=list(NULL))
    bundle = tmp_path / "pets-1.0.godwit"
    arch, profile = platform.machine(), {"x86_64": "linux-x86_64", "aarch64": "linux-arm64"}[platform.machine()]
    write_bundle(bundle, of, b'{"outputs": [[1, 3]]}', name="pets", arch=arch, profiles=[profile], version="1.0")
    done = flash(bundle, f"image://{card}", "--device-id", "door-7")
    assert done.returncode == 0, done.stderr
    images.check(card)

    root = tmp_path / "root"
    root.mkdir()
    images.ask(card, f"rdump / {root}")
    machine = booted.Machine(root, tmp_path / "boot.log")
    machine.boot()
    try:
        outcome = json.loads(machine.run("cat", "/boot/firmware/godwit/outcome.json").stdout or "{}")
        told = machine.journal("godwit-first-boot.service")
        assert outcome.get("state") == "installed", told
        assert (outcome["deployment"], outcome["device"]) == ("pets", "door-7")
        machine.waits("edge-agent.service", "ActiveState", lambda state: state == "active")
        assert [path.name for path in (root / FOLDER[1:]).iterdir()] == ["outcome.json"]
        assert not (root / ENABLED[1:]).is_symlink()
    finally:
        machine.halt()

    machine.boot()
    try:
        assert machine.shows("godwit-first-boot.service", "ActiveState") == "inactive"
        machine.waits("edge-agent.service", "ActiveState", lambda state: state == "active")
    finally:
        machine.halt()
