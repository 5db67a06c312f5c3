"""A FAT file system inside of an image, read and written by mtools, without mounting it and without root.

How it is recognised: "Microsoft Extensible Firmware Initiative FAT32 File System Specification" 1.03, "Boot Sector".
"""

from __future__ import annotations

import re
from pathlib import Path

from firmware_profiles.errors import GodwitError, Problem
from fleet.flash import programs
from fleet.flash.partitions import Partition
from fleet.flash.programs import IMAGE

_FREE = re.compile(r"^ *(\d[\d ]*) bytes free", re.MULTILINE)


class Fat:
    """The file system in `partition` of the image that `folder / IMAGE` is. Paths are such as "godwit/x.json"."""

    def __init__(self, folder: Path, partition: Partition) -> None:
        """Only stores; see `is_one`."""
        self._folder = folder
        self._partition = partition
        self._where = ["-i", f"{IMAGE}@@{partition.start_bytes}"]

    @property
    def is_one(self) -> bool:
        """Whether it is one, of whatever width."""
        with (self._folder / IMAGE).open("rb") as stream:
            stream.seek(self._partition.start_bytes)
            sector = stream.read(512)
        return sector[510:512] == b"\x55\xaa" and (sector[54:57] == b"FAT" or sector[82:87] == b"FAT32")

    @property
    def free_bytes(self) -> int:
        """Room for files; 0 where that cannot be told."""
        found = _FREE.search(self._run("mdir", "::").stdout.decode(errors="replace"))
        return int(found[1].replace(" ", "")) if found else 0

    def read(self, path: str) -> bytes:
        """The file there; empty if there is none."""
        return self._run("mcopy", "-n", f"::/{path}", "-").stdout

    def write(self, source: Path, path: str) -> None:
        """Copy a file there, over one that is there, with the one folder that it lies in.

        Raises:
            GodwitError: it could not be written, or reads otherwise.
        """
        folder = path.rpartition("/")[0]
        if folder and self._run("mdir", f"::/{folder}").returncode != 0:
            self._run("mmd", f"::/{folder}")
        ran = self._run("mcopy", "-o", str(source), f"::/{path}")
        if ran.returncode != 0 or self.read(path) != source.read_bytes():
            step = "is there room in it? the image is as it was"
            found = programs.last_line(ran.stderr)
            raise GodwitError(Problem("the boot partition", "that it can be written", found, step))

    def _run(self, tool: str, *words: str) -> programs.Ended:
        return programs.run(self._folder, ["mtools", "-c", tool, *self._where, *words])
