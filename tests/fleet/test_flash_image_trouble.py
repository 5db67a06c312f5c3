"""Images that nothing can be written to: one line that says why, and every byte stays."""

from __future__ import annotations

import fcntl
import json
import lzma
import os
import pwd
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from fleet.flash import held_file
from tests.fleet import images
from tests.fleet.conftest import Flash
from tests.fleet.test_flash_image import card, digest, kit, mtools, pack

__all__ = ["card", "kit", "mtools"]  # fixtures

Change = Callable[[Path], None]


def refused(flash: Flash, image: Path, told: str, code: int = 4, bundle: Path | None = None) -> None:
    whole = digest(image) if image.exists() else ""
    done = flash(bundle or pack(image.parent), f"image://{image}")
    assert done.returncode == code, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.stderr
    assert told in errors[0], errors[0]
    assert (digest(image) if image.exists() else "") == whole
    assert not image.with_name(f".{image.name}.godwit-flash").exists()


def test_files_that_are_no_images(tmp_path: Path, flash: Flash) -> None:
    refused(flash, tmp_path / "none.img", "expected an image file, found no such file", 2)
    (tmp_path / "text.img").write_text("hello")
    refused(flash, tmp_path / "text.img", "expected a disk image, found no partition table", 2)
    (tmp_path / "card.img.xz").write_bytes(lzma.compress(b"x" * 999))
    refused(flash, tmp_path / "card.img.xz", f"one compressed by xz; first: xz -dk {tmp_path}/card.img.xz", 2)
    (tmp_path / "card.zip").write_bytes(b"PK\3\4" + b"\0" * 99)
    refused(flash, tmp_path / "card.zip", "one compressed by zip", 2)
    done = flash(pack(tmp_path), "image://card.img")
    assert (done.returncode, "write three slashes" in done.stderr) == (2, True)


def test_partitions_that_are_not_there(tmp_path: Path, card: Path, flash: Flash) -> None:
    with card.open("rb+") as stream:
        stream.truncate(60 << 20)
    refused(flash, card, "partition 2 outside of the image: it was cut off", 2)
    empty = tmp_path / "empty"
    empty.mkdir()
    images.disk(card, empty, boot_files={})
    refused(flash, card, "1 ext4 partition of 2, 0 of them with a system", 2)
    images.disk(card, tmp_path / "tree", boot_files=None)
    refused(flash, card, "a FAT partition for /boot/firmware, as its /etc/fstab says, found none", 2)


def test_a_full_boot_partition(tmp_path: Path, flash: Flash) -> None:
    tree = images.system(tmp_path / "tree")
    tables = 2 * images.BOOT_SECTORS * 4 + (32 << 10)  # of four bytes a cluster
    full = b"x" * (images.BOOT_SECTORS * images.SECTOR - tables - (20 << 10))
    image = images.disk(tmp_path / "card.img", tree, boot_files={"kernel8.img": full})
    refused(flash, image, "expected 64 KB free in the boot partition, found ")


def test_a_full_root_partition(tmp_path: Path, kit: None, flash: Flash) -> None:
    tree = images.system(tmp_path / "tree")
    image = images.disk(tmp_path / "card.img", tree, root_mb=20, boot_files={"config.txt": b"x"})
    refused(flash, image, "MB free in the root partition, found ")


def test_systems_that_the_bundle_is_not_for(tmp_path: Path, flash: Flash) -> None:
    other = images.disk(tmp_path / "a.img", images.system(tmp_path / "a", arch="armv7l"), boot_files={})
    done = flash(pack(tmp_path), f"image://{other}")
    assert "expected a userland for aarch64, found armv7l" in done.stderr
    tree = images.system(tmp_path / "b", python="python3.9")
    (tree / "usr/lib/systemd/systemd").unlink()
    (tree / "usr/lib/aarch64-linux-gnu/libc.so.6").unlink()
    bundle = pack(tmp_path)
    done = flash(bundle, f"image://{images.disk(tmp_path / 'b.img', tree, boot_files={})}")
    assert done.returncode == 4
    assert "expected Python 3.10 to 3.13, found 3.9" in done.stderr
    assert "expected a system that is started by systemd" in done.stderr


def test_a_device_that_has_a_newer_version(tmp_path: Path, flash: Flash) -> None:
    tree = images.system(tmp_path / "tree")
    slot = tree / "var/lib/godwit/slots/a"
    slot.mkdir(parents=True)
    (slot / "manifest.json").write_text(json.dumps({"name": "pets", "version": "2.0"}))
    (slot.parent / "active").symlink_to("a")
    image = images.disk(tmp_path / "card.img", tree, boot_files={"config.txt": b"x"})
    refused(flash, image, "expected pets 1.0 or older, found the newer 2.0")


def test_an_image_in_use(tmp_path: Path, card: Path, flash: Flash) -> None:
    with card.open("rb+") as stream:  # as QEMU does (util/osdep.c: qemu_lock_fd)
        fcntl.fcntl(stream, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, 100, 1, 0))
        refused(flash, card, "an image that nobody else uses, found another flash, or a virtual machine")
    owner = f"{pwd.getpwuid(os.geteuid()).pw_name}, process {os.getpid()}"
    with held_file.hold(card, "another flash"):
        refused(flash, card, f"an image that nobody else uses, found {owner}, who does; wait for it")


def test_a_root_partition_that_was_not_unmounted_or_is_damaged(tmp_path: Path, card: Path, flash: Flash) -> None:
    at = images.ROOT_AT * 512 + 1024
    whole = tmp_path / "whole.img"
    shutil.copy(card, whole)
    images.run("debugfs", "-w", "-R", "feature needs_recovery", f"{card}?offset={images.ROOT_AT * 512}")
    refused(flash, card, "a root partition that was unmounted, found one in use")
    shutil.copy(whole, card)
    with card.open("rb+") as stream:
        stream.seek(at + 1024 + 8192)  # among the group descriptors and bitmaps
        stream.write(b"\x55" * 8192)
    refused(flash, card, "a root partition without errors", 2)


def test_the_board_that_it_will_boot_on(tmp_path: Path, card: Path, flash: Flash) -> None:
    done = flash(pack(tmp_path), f"image://{card}?profile=raspberry-pi-6")
    assert done.returncode == 2
    assert "raspberry-pi-5" in done.stderr
    done = flash(pack(tmp_path), f"image://{card}?board=x")
    assert "say what it will boot on: ?profile=raspberry-pi-5" in done.stderr
