"""How a process on the device ended, as `Ended` carries it."""

from __future__ import annotations

import json
from typing import NamedTuple

from firmware_profiles.serial_link.messages import Ended

_MOST_BYTES = 1000
"""Of each text: both fit into one message."""


class Said(NamedTuple):
    """What a process printed; of more than fits the end is kept."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def last_line(self) -> str:
        """What is told of it in one line."""
        lines = (self.stdout + self.stderr).strip().splitlines()
        return lines[-1] if lines else f"exit code {self.exit_code}"

    def message(self, tag: int) -> Ended:
        """As it travels."""
        texts = {"stdout": _end(self.stdout), "stderr": _end(self.stderr)}
        return Ended(tag, self.exit_code & 0xFF, json.dumps(texts, ensure_ascii=False).encode())


def said(message: Ended) -> Said:
    """What the device says; of nonsense nothing is left but the exit code."""
    try:
        texts = json.loads(message.said)
        return Said(message.exit_code, _end(str(texts["stdout"])), _end(str(texts["stderr"])))
    except (ValueError, RecursionError, TypeError, KeyError):
        return Said(message.exit_code, "", "")


def _end(text: str) -> str:
    """What may go to a terminal; JSON makes no byte of it longer than two."""
    plain = "".join(letter if letter == "\n" or letter.isprintable() else " " for letter in text)
    return plain.encode("utf-8", "replace")[-_MOST_BYTES:].decode("utf-8", "ignore")
