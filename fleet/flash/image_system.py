"""The system that an image holds: where its root and boot partitions are, and what can be known before it boots."""

from __future__ import annotations

import hashlib
import re
import struct
import time
from pathlib import Path
from typing import NamedTuple

import msgspec

from firmware_profiles.errors import InputError, Problem, UnavailableError
from fleet.flash import partitions
from fleet.flash.ext4 import Ext4
from fleet.flash.fat import Fat
from fleet.flash.programs import IMAGE
from fleet.flash.road import DEFAULT_ROOT, Facts

MAX_FILE_BYTES = 16 << 20
_COMPRESSED = {b"\xfd7zXZ\0": "xz -dk", b"\x1f\x8b": "gzip -dk", b"BZh": "bzip2 -dk", b"\x28\xb5\x2f\xfd": "zstd -d"}
_ZIP = b"PK\3\4"
# ELF, "Machine Information"; the names are those of uname.
_MACHINES = {3: "i686", 40: "armv7l", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_GLIBC = re.compile(rb"GNU C Library [^\n]{0,80}release version (2\.[0-9]{1,3})")
_PYTHON = re.compile(r"^python(3\.[0-9]{1,2})\Z")
_BOOT_LINE = re.compile(r"^[^\s#]+\s+(?P<mount>/boot\S*)\s+vfat\s", re.MULTILINE)


class System(NamedTuple):
    """What an image holds.

    Attributes:
        boot: the FAT partition; None where the system mounts none.
        boot_mount: where it is when the system runs; empty without one.
        title: such as "Debian GNU/Linux 12 (bookworm)".
    """

    root: Ext4
    boot: Fat | None
    boot_mount: str
    title: str


def find(folder: Path, where: str) -> System:
    """The system in the image that `folder / IMAGE` is.

    Raises:
        InputError: there is none, or there are several.
        UnavailableError: it is in use.
    """
    image = folder / IMAGE
    with image.open("rb") as stream:
        _refuse_compressed(stream.read(8), where)
        try:
            found = partitions.read(stream, image.stat().st_size)
        except partitions.NoTableError as error:
            step = "give the image of a whole disk, as for an SD card"
            raise InputError(Problem(where, "a disk image", str(error), step)) from None
    ext = [each for each in (Ext4(folder, partition) for partition in found) if each.is_one]
    roots = [each for each in ext if each.kind("/etc/os-release") == "regular"]
    if len(roots) != 1:
        seen = f"{len(ext)} ext4 partition{'s' * (len(ext) != 1)} of {len(found)}, {len(roots)} of them with a system"
        step = "Godwit writes to Linux systems on one ext4 partition; flash others over ssh when they run"
        raise InputError(Problem(where, "one root partition: ext4, with /etc/os-release", seen, step))
    return _whole(roots[0], [Fat(folder, partition) for partition in found], where)


def facts(system: System, board: str) -> Facts:
    """What `fleet/bootstrap/probe.py` would tell of it; the board is not known before it boots."""
    root = system.root
    arch = _arch(root.read("/bin/sh", MAX_FILE_BYTES)[:20])
    manifest = root.read(f"{DEFAULT_ROOT}/slots/active/manifest.json", MAX_FILE_BYTES)
    code = root.read(f"{DEFAULT_ROOT}/agent/active/agent.json", MAX_FILE_BYTES)
    return Facts(
        arch=arch,
        kernel=arch,
        glibc=_glibc(root, arch),
        python=_python(root),
        init="systemd" if root.kind("/lib/systemd/systemd") else "none",
        board=board,
        free_bytes=root.free_bytes,
        clock_s=int(time.time()),
        rights="root",
        writable=True,
        readable=True,
        agent_sha256=_sha256(code),
        manifest_sha256=_sha256(manifest),
        installed=_installed(manifest),
        device=_device(root),
        service="active" if root.kind("/etc/systemd/system/edge-agent.service") else "",
    )


def _refuse_compressed(begin: bytes, where: str) -> None:
    for magic, command in _COMPRESSED.items():
        if begin.startswith(magic):
            raise _compressed(where, command.split()[0], command)
    if begin.startswith(_ZIP):
        raise _compressed(where, "zip", "unzip")


def _compressed(where: str, how: str, command: str) -> InputError:
    path = where.removeprefix("image://")
    return InputError(Problem(where, "a disk image", f"one compressed by {how}", f"first: {command} {path}"))


def _whole(root: Ext4, others: list[Fat], where: str) -> System:
    if root.in_use:
        step = "unmount it; after a power cut: let its device boot and shut it down, then read the card again"
        raise UnavailableError(Problem(where, "a root partition that was unmounted", "one in use", step))
    if fault := root.fault():
        raise InputError(Problem(where, "a root partition without errors", fault, "repair it by e2fsck -f"))
    line = _BOOT_LINE.search(root.read("/etc/fstab", MAX_FILE_BYTES).decode("utf-8", "replace"))
    boot = next((each for each in others if each.is_one), None)
    if line and boot is None:
        step = "take the whole image, not the partition alone"
        raise InputError(Problem(where, f"a FAT partition for {line['mount']}, as its /etc/fstab says", "none", step))
    title = _title(root.read("/etc/os-release", MAX_FILE_BYTES))
    return System(root, boot if line else None, line["mount"] if line else "", title)


def _title(release: bytes) -> str:
    """PRETTY_NAME (os-release(5))."""
    for line in release.decode("utf-8", "replace").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return "".join(letter for letter in value.strip("\"'") if letter.isprintable())[:80]
    return "Linux"


def _arch(header: bytes) -> str:
    if len(header) < 20 or not header.startswith(b"\x7fELF"):
        return "unknown (no /bin/sh)"
    machine = struct.unpack("<H" if header[5] == 1 else ">H", header[18:20])[0]
    return _MACHINES.get(machine, f"ELF machine {machine}")


def _glibc(root: Ext4, arch: str) -> str:
    """As the library says itself; empty without one."""
    triplet = {"armv7l": "arm-linux-gnueabihf", "i686": "i386-linux-gnu"}.get(arch, f"{arch}-linux-gnu")
    for place in (f"/lib/{triplet}/libc.so.6", "/lib64/libc.so.6", "/lib/libc.so.6"):
        if found := _GLIBC.search(root.read(place, MAX_FILE_BYTES)):
            return found[1].decode()
    return ""


def _python(root: Ext4) -> str:
    found = _PYTHON.match(root.link("/usr/bin/python3"))
    return found[1] if found and root.kind("/usr/bin/python3") == "regular" else "none"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""


def _installed(manifest: bytes) -> list[str]:
    try:
        found = msgspec.json.decode(manifest, type=dict[str, object]) if manifest else {}
    except msgspec.DecodeError:
        return []
    return [str(found["name"]), str(found["version"])] if {"name", "version"} <= found.keys() else []


def _device(root: Ext4) -> str:
    """What the device is called in its own configuration; empty before there is one."""
    text = root.read(f"{DEFAULT_ROOT}/etc/agent.toml", MAX_FILE_BYTES).decode("utf-8", "replace")
    found = re.search(r"^device\s*=\s*[\"']([^\"']+)[\"']", text, re.MULTILINE)
    return found[1] if found else ""
