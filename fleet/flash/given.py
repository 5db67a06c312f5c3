"""What the user gave for all targets."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Given(NamedTuple):
    """Options of `godwit flash`.

    Attributes:
        flags: of `edge-agent install`.
        password_file: holds one line, for logins and for sudo.
        wheels: a folder with vendors' wheels.
    """

    flags: list[str]
    password_file: Path | None = None
    wheels: Path | None = None
