"""Small images of disks by the real sfdisk, mke2fs and mkfs.vfat: a boot, and a system that looks like a Debian."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from firmware_profiles.errors import UnavailableError
from tools import unpacked

SECTOR = 512
BOOT_AT, BOOT_SECTORS = 2048, 36 * 2048
ROOT_AT = BOOT_AT + BOOT_SECTORS
MACHINES = {"x86_64": 62, "aarch64": 183, "armv7l": 40}
FSTAB = (
    "proc /proc proc defaults 0 0\nPARTUUID=1-01 /boot/firmware vfat defaults 0 2\nPARTUUID=1-02 / ext4 defaults 0 1\n"
)


class Entry(NamedTuple):
    """What a file system holds at one path."""

    mode: str
    owner: str
    sha256: str


def run(program: str, *words: str | Path, given: str = "") -> str:
    """Run one of these programs, which may have to be unpacked first; what it printed."""
    line = command(program)
    ran = subprocess.run([*line, *map(str, words)], input=given, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{program} {words}: {ran.stdout} {ran.stderr}"
    return ran.stdout


def command(program: str) -> list[str]:
    """How it is started."""
    of = {"mkfs.vfat": "fsck.vfat"}.get(program, program)
    if found := shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
        return [found]
    try:
        line = unpacked.command(of)
    except UnavailableError as error:
        pytest.skip(str(error))
    return [*line[:-1], str(Path(line[-1]).with_name(program))]


def system(folder: Path, arch: str = "aarch64", python: str = "python3.11", fstab: str = FSTAB) -> Path:
    """The tree of a system."""
    for name in (
        "etc/systemd/system",
        "usr/bin",
        f"usr/lib/{arch}-linux-gnu",
        "usr/lib/systemd",
        "var/lib",
        "boot/firmware",
    ):
        (folder / name).mkdir(parents=True)
    header = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack("<HH", 3, MACHINES[arch])
    (folder / "usr/bin/dash").write_bytes(header.ljust(5000, b"\1"))
    (folder / "usr/lib" / f"{arch}-linux-gnu/libc.so.6").write_bytes(
        b"\0" * 9000 + b"GNU C Library (Debian GLIBC 2.36-9+deb12u10) stable release version 2.36.\n"
    )
    (folder / "usr/lib/os-release").write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n')
    (folder / "usr/lib/systemd/systemd").write_text("")
    (folder / "usr/bin" / python).write_bytes(header)
    for link, target in {
        "bin": "usr/bin", "lib": "usr/lib", "usr/bin/sh": "dash", "usr/bin/python3": python,
        "etc/os-release": "../usr/lib/os-release",
    }.items():  # fmt: skip
        (folder / link).symlink_to(target)
    (folder / "etc/fstab").write_text(fstab)
    (folder / "etc/shadow").write_text("root:*:19000:0:99999:7:::\n")
    (folder / "etc/shadow").chmod(0o640)
    (folder / "usr/bin/dash").chmod(0o4755)
    (folder / "usr/a file with spaces").write_text("x")
    return folder


def disk(
    path: Path, tree: Path, *, label: str = "dos", root_mb: int = 96, boot_files: dict[str, bytes] | None = None
) -> Path:
    """An image with a boot partition, unless `boot_files` is None, and a root partition that holds `tree`."""
    with path.open("wb") as stream:
        stream.truncate(ROOT_AT * SECTOR + (root_mb << 20) + (1 << 20))
    kinds = {"dos": ("c", "83"), "gpt": ("EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", "L")}[label]
    boot = f"start={BOOT_AT},size={BOOT_SECTORS},type={kinds[0]}\n" if boot_files is not None else ""
    script = f"label: {label}\n{boot}start={ROOT_AT},size={root_mb * 2048},type={kinds[1]}\n"
    run("sfdisk", "--quiet", path, given=script)
    if boot_files is not None:
        with path.open("rb+") as whole:
            whole.seek(BOOT_AT * SECTOR)
            whole.write(_boot(path.with_suffix(".fat"), boot_files))
    options = f"offset={ROOT_AT * SECTOR},root_owner=0:0"
    run("mke2fs", "-q", "-F", "-t", "ext4", "-L", "rootfs", "-d", tree, "-E", options, path, f"{root_mb}M")
    return path


def _boot(path: Path, files: dict[str, bytes]) -> bytes:
    """A FAT32 as on a Raspberry Pi's card, with the smallest clusters."""
    with path.open("wb") as stream:
        stream.truncate(BOOT_SECTORS * SECTOR)
    run("mkfs.vfat", "-F", "32", "-s", "1", "-n", "BOOTFS", path)
    for name, content in files.items():
        path.with_suffix(".tmp").write_bytes(content)
        run("mtools", "-c", "mcopy", "-i", path, path.with_suffix(".tmp"), f"::/{name}")
    return path.read_bytes()


def files(image: Path, at: int = ROOT_AT, folder: str = "/") -> dict[str, Entry]:
    """All that the ext4 file system there holds; times do not count."""
    found = {}
    for line in ask(image, f'ls -p "{folder}"', at).decode().splitlines():
        _, inode, mode, user, group, name, *_ = line.split("/")[:7] if line.count("/") >= 6 else [""] * 7
        if not name or name in (".", "..", "lost+found"):
            continue
        path = f"{folder.rstrip('/')}/{name}"
        if mode.startswith("04"):
            found |= files(image, at, path)
        content = b"" if mode.startswith("04") else ask(image, f"cat <{inode}>", at) or _link(image, inode, at)
        found[path] = Entry(mode, f"{user}:{group}", hashlib.sha256(content).hexdigest())
    return found


def ask(image: Path, request: str, at: int = ROOT_AT) -> bytes:
    """What debugfs says."""
    line = [*command("debugfs"), "-R", request, f"{image}?offset={at * SECTOR}"]
    return subprocess.run(line, capture_output=True, check=True).stdout


def boot_file(image: Path, name: str) -> bytes:
    """A file of the boot partition."""
    line = [*command("mtools"), "-c", "mtype", "-i", f"{image}@@{BOOT_AT * SECTOR}", f"::/{name}"]
    return subprocess.run(line, capture_output=True, check=False).stdout


def outside(image: Path, root_mb: int = 96) -> bytes:
    """All bytes that are in neither partition: the table, or both of them, and the gaps."""
    content = image.read_bytes()
    return content[: BOOT_AT * SECTOR] + content[ROOT_AT * SECTOR + (root_mb << 20) :]


def check(image: Path) -> None:
    """e2fsck and fsck.vfat find nothing."""
    run("e2fsck", "-f", "-n", f"{image}?offset={ROOT_AT * SECTOR}")
    part = image.with_suffix(".boot")
    part.write_bytes(image.read_bytes()[BOOT_AT * SECTOR : ROOT_AT * SECTOR])
    run("fsck.vfat", "-n", part)


def _link(image: Path, inode: str, at: int) -> bytes:
    found = re.search(rb'Fast link dest: "(.*)"', ask(image, f"stat <{inode}>", at))
    return found[1] if found else b""
