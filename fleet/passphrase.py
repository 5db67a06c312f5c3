"""The passphrase of a private key: asked for at the terminal, or read from a file."""

from __future__ import annotations

import getpass
import stat
import sys
from pathlib import Path

from firmware_profiles.errors import InputError, Problem

_MAX_BYTES = 1024


def new(file: Path | None) -> bytes:
    """For a key that is being made: typed twice.

    Raises:
        InputError: there is no terminal and no file, the file is not one, or what was typed differs.
    """
    if file is not None:
        return _read(file)
    _need_terminal()
    typed = getpass.getpass("New passphrase of the key: ")
    if not typed:
        raise InputError(Problem("passphrase", "at least one letter", "nothing", "or give --no-passphrase"))
    if getpass.getpass("Once more: ") != typed:
        raise InputError(Problem("passphrase", "the same twice", "two that differ", "type it again"))
    return typed.encode()


def known(file: Path | None) -> bytes:
    """Of a key that is locked.

    Raises:
        InputError: there is no terminal and no file, or the file is not one.
    """
    if file is not None:
        return _read(file)
    _need_terminal()
    return getpass.getpass("Passphrase of the key: ").encode()


def _need_terminal() -> None:
    if not sys.stdin.isatty():
        step = "give --passphrase-file"
        raise InputError(Problem("passphrase", "a terminal to type it at", "none", step))


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            mode = stat.S_IMODE(file.stat().st_mode)
            line = stream.read(_MAX_BYTES + 1).removesuffix(b"\n")
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise InputError(Problem(str(file), "a readable file", found, "check the path and its rights")) from None
    if mode & stat.S_IROTH:
        found = f"mode {mode:04o}"
        raise InputError(Problem(str(file), "a secret that others cannot read", found, "type: chmod o= FILE"))
    if not line or b"\n" in line or len(line) > _MAX_BYTES:
        raise InputError(Problem(str(file), "one line with the passphrase", "something else", "write it so"))
    return line
