"""Where passphrases of private keys come from: files, the environment, or a person."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from firmware_profiles.errors import InputError, Problem

VARIABLE = "GODWIT_PASSPHRASE"
PIN_VARIABLE = "GODWIT_PIN"
_TRIES = 3
_MAX_BYTES = 4096


class Passphrases:
    """Passphrases for key files; each that a person typed is tried for the next file, too."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Read `files`, each of which holds one line.

        Raises:
            InputError: one of them cannot be read.
        """
        given = [_line_of(file) for file in files]
        self._pin = os.environ.get(PIN_VARIABLE)
        self._known = [*given, *filter(None, [os.environ.get(VARIABLE)])]

    def __call__(self, name: str) -> Iterator[str]:
        """What to try for the key file of that name.

        Raises:
            InputError: none is known, and nobody can be asked.
        """
        yield from list(self._known)
        if not sys.stdin.isatty():
            step = f"name a file with --passphrase-file, or set {VARIABLE}"
            raise InputError(Problem(f"key file {name}", "its passphrase", "none that opens it", step))
        for _ in range(_TRIES):
            typed = str(click.prompt(f"Passphrase of {name}", hide_input=True, err=True))
            self._known.insert(0, typed)
            yield typed

    def pin(self, what: str) -> str:
        """What opens a token; never a key file's passphrase, since tokens lock themselves after a few wrong ones.

        Raises:
            InputError: none is known, and nobody can be asked.
        """
        if self._pin is None:
            if not sys.stdin.isatty():
                raise InputError(Problem("the token", f"its {what}", "none", f"set {PIN_VARIABLE}"))
            self._pin = str(click.prompt(f"The token's {what}", hide_input=True, err=True))
        return self._pin

    def new(self) -> str:
        """The passphrase for keys that are to be made.

        Raises:
            InputError: none is known, and nobody can be asked.
        """
        if self._known:
            return self._known[0]
        if not sys.stdin.isatty():
            step = f"name a file with --passphrase-file, set {VARIABLE}, or say --no-passphrase"
            raise InputError(Problem("the new keys", "a passphrase", "none", step))
        typed = str(click.prompt("Passphrase for the new keys", hide_input=True, confirmation_prompt=True, err=True))
        self._known.insert(0, typed)
        return typed


def _line_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            line = stream.read(_MAX_BYTES).decode().splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError):
        line = ""
    if not line:
        step = "write the passphrase on its first line, readable by you alone"
        raise InputError(Problem(str(file), "a file with a passphrase", "none that can be read", step))
    return line
