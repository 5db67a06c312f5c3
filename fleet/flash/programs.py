"""The programs of e2fsprogs and mtools, which write to file systems inside of an image, without mounting them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from firmware_profiles.errors import GodwitError, Problem, UnavailableError

IMAGE = "image"
"""What the image is called in the folder that the programs run in: its own name could have any letters."""

_PACKAGES = {"debugfs": "e2fsprogs", "e2fsck": "e2fsprogs", "mtools": "mtools"}
_LIMIT_S = 1800.0
# Their messages are read, no configuration of the user's is, and a FAT that another maker laid out is taken as it is.
_VARIABLES = {"LC_ALL": "C", "MTOOLSRC": os.devnull, "MTOOLS_SKIP_CHECK": "1", "MTOOLS_NO_VFAT": "0"}


Ended = subprocess.CompletedProcess[bytes]


def missing(*names: str) -> list[Problem]:
    """What must be installed here first."""
    return [
        Problem("godwit flash", f"the program {name}", "none", f"install it: the package {_PACKAGES[name]}")
        for name in names
        if _path(name) is None
    ]


def run(folder: Path, line: list[str], given: bytes = b"") -> Ended:
    """Run a program in `folder`, where the image is called `IMAGE`; whatever its exit code.

    Raises:
        UnavailableError: it is not installed.
        GodwitError: it did not end.
    """
    path = _path(line[0])
    if path is None:
        raise UnavailableError(*missing(line[0]))
    environment = {**os.environ, **_VARIABLES}
    try:
        return subprocess.run(
            [path, *line[1:]],
            cwd=folder,
            input=given,
            capture_output=True,
            env=environment,
            check=False,
            timeout=_LIMIT_S,
        )
    except subprocess.TimeoutExpired:
        step = "check the image: e2fsck -f, fsck.vfat"
        raise GodwitError(Problem(line[0], f"an end within {_LIMIT_S:.0f} s", "none", step)) from None


def last_line(told: bytes) -> str:
    """What a program said last."""
    lines = told.decode(errors="replace").strip().splitlines() or ["no word"]
    return "".join(letter for letter in lines[-1] if letter.isprintable())[:200]


def _path(name: str) -> str | None:
    # Debian keeps them out of a user's PATH.
    search = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", "/usr/local/sbin"))
    return shutil.which(name, path=search)
