"""An ext4 file system inside of an image, read and written by debugfs, without mounting it and without root.

The few fields of the superblock that are read here: Linux, Documentation/filesystems/ext4/super.rst.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import struct
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import GodwitError, InputError, Problem
from fleet.flash import programs
from fleet.flash.partitions import Partition
from fleet.flash.programs import IMAGE

_SUPERBLOCK_AT = 1024
_MAGIC = 0xEF53
_RECOVER = 0x4
_BIT64 = 0x80
_MAX_LINKS = 16
_MAX_ENTRIES = 10_000
_PLAIN_PATH = re.compile(r"^/[A-Za-z0-9_./+@:~-]*\Z")
_STAT = re.compile(r"^Inode: (?P<inode>\d+) +Type: (?P<kind>\w+).*?Size: (?P<size>\d+)$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r'^Fast link dest: "(.*)"$', re.MULTILINE)


class New(NamedTuple):
    """A file to be written. `place` is absolute; `source` a file of this machine, or where a symbolic link leads."""

    place: str
    source: Path | str
    mode: int = 0o644


class Ext4:
    """The file system in `partition` of the image that `folder / IMAGE` is."""

    def __init__(self, folder: Path, partition: Partition) -> None:
        """Only stores; see `is_one`."""
        self._folder = folder
        self._partition = partition
        self._name = f"{IMAGE}?offset={partition.start_bytes}"

    @property
    def is_one(self) -> bool:
        """Whether it is one: ext2 and ext3 count, and are written in the same way."""
        return self._field("<H", 56) == _MAGIC

    @property
    def in_use(self) -> bool:
        """Whether it is mounted somewhere, or was not unmounted: its journal has what it lacks."""
        return bool(self._field("<I", 96) & _RECOVER)

    @property
    def free_bytes(self) -> int:
        """What root may fill."""
        blocks = self._field("<I", 12)
        if self._field("<I", 96) & _BIT64:
            blocks += self._field("<I", 344) << 32
        return int(blocks * (1024 << min(self._field("<I", 24), 6)))

    def fault(self) -> str:
        """What e2fsck has to say against it; empty if nothing. Nothing is repaired."""
        ran = programs.run(self._folder, ["e2fsck", "-f", "-n", self._name])
        return "" if ran.returncode == 0 else programs.last_line(ran.stdout or ran.stderr)

    def kind(self, path: str) -> str:
        """What lies there, links followed: "regular", "directory", …; empty if nothing does."""
        return self._stat(path)[0]

    def link(self, path: str) -> str:
        """Where the symbolic link there leads; empty if there is none."""
        if not _PLAIN_PATH.match(path):
            return ""
        found = _LINK.search(self._ask(f"stat {path}").decode(errors="replace"))
        return found[1] if found else ""

    def read(self, path: str, limit_bytes: int) -> bytes:
        """The file there, links followed; empty if there is none, or a larger one."""
        kind, inode, size = self._stat(path)
        return self._ask(f"cat <{inode}>") if kind == "regular" and size <= limit_bytes else b""

    def replace(self, folder: str, inside: list[New], outside: list[New]) -> None:
        """Write `inside` to `folder`, which loses all that was in it, and `outside` to elsewhere; all is root's.

        Raises:
            GodwitError: it could not be written, or reads otherwise.
        """
        lines = self._removal(folder) if self.kind(folder) == "directory" else []
        made = [folder, *{parent: None for new in inside for parent in _above(new.place) if parent.startswith(folder)}]
        needed = {parent: None for place in (folder, *(new.place for new in outside)) for parent in _above(place)}
        lines += [f"mkdir {each}" for each in sorted({*made, *(each for each in needed if not self.kind(each))})]
        lines += [f"rm {new.place}" for new in outside if self.link(new.place) or self.kind(new.place)]
        for new in [*inside, *outside]:
            if isinstance(new.source, str):
                lines.append(f"symlink {new.place} {new.source}")
            else:
                lines += [f"write {new.source} {new.place}", f"set_inode_field {new.place} mode 0100{new.mode:03o}"]
        self._write([*lines, f"set_inode_field {folder} mode 040700"])
        self._compare([new for new in [*inside, *outside] if isinstance(new.source, Path)])

    def _write(self, lines: list[str]) -> None:
        ran = programs.run(self._folder, ["debugfs", "-w", "-f", "-", self._name], "\n".join(lines).encode() + b"\n")
        # It ends with 0 whatever happened; the first line there is its name.
        if ran.returncode != 0 or len(ran.stderr.strip().splitlines()) > 1:
            step = "is there room in it? the image is as it was"
            raise GodwitError(Problem("the root file system", "that it can be written", _complaint(ran.stderr), step))

    def _compare(self, files: list[New]) -> None:
        back = self._folder / "back"
        for new in files:
            assert isinstance(new.source, Path)
            programs.run(self._folder, ["debugfs", "-R", f"dump {new.place} back", self._name])
            if not back.exists() or _sha256(back) != _sha256(self._folder / new.source):
                step = "this is a bug in Godwit or in debugfs: please report it; the image is as it was"
                raise GodwitError(Problem(new.place, "the bytes that were written", "other ones", step))
            back.unlink()

    def _removal(self, folder: str, depth: int = 0) -> list[str]:
        """What removes all in it, and itself."""
        told = self._ask(f"ls -p {folder}").decode(errors="replace")
        entries = [line.split("/") for line in told.splitlines() if line.count("/") >= 6]
        lines = []
        for _, inode, mode, _, _, name, *_ in entries:
            path = f"{folder}/{name}"
            if name in (".", "..") or inode == "0":
                continue
            if not _PLAIN_PATH.match(path) or len(entries) > _MAX_ENTRIES or depth > _MAX_LINKS:
                step = "remove that folder in the image"
                raise InputError(Problem(folder, "what an earlier flash left there", f"something else: {name!r}", step))
            lines += self._removal(path, depth + 1) if mode.startswith("04") else [f"rm {path}"]
        return [*lines, f"rmdir {folder}"]

    def _stat(self, path: str) -> tuple[str, int, int]:
        """Kind, inode and size of what lies there, links followed."""
        for _ in range(_MAX_LINKS):
            if not _PLAIN_PATH.match(path):
                break
            told = self._ask(f"stat {path}").decode(errors="replace")
            found = _STAT.match(told)
            if not found:
                break
            if found["kind"] != "symlink":
                return found["kind"], int(found["inode"]), int(found["size"])
            leads = _LINK.search(told)
            path = posixpath.join(posixpath.dirname(path), leads[1] if leads else "/")
        return "", 0, 0

    def _ask(self, request: str) -> bytes:
        return programs.run(self._folder, ["debugfs", "-R", request, self._name]).stdout

    def _field(self, form: str, at: int) -> int:
        with (self._folder / IMAGE).open("rb") as stream:
            stream.seek(self._partition.start_bytes + _SUPERBLOCK_AT + at)
            raw = stream.read(struct.calcsize(form))
        return int(struct.unpack(form, raw.ljust(struct.calcsize(form), b"\0"))[0])


def _above(place: str) -> list[str]:
    """The folders above, the nearest first, without "/"."""
    found = []
    while (place := posixpath.dirname(place)) != "/":
        found.append(place)
    return found


def _complaint(told: bytes) -> str:
    lines = told.decode(errors="replace").strip().splitlines()[1:] or ["no word"]
    return "".join(letter for letter in lines[0] if letter.isprintable())[:200].strip()


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
