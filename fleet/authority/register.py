"""What an authority signed, and what it took back: `issued.json` beside its key."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem

Kind = Literal["device", "client", "server"]
DAYS = 398
"""How long a certificate holds where nobody says; what browsers accept at most (CA/Browser Forum, ballot SC31)."""


class Issued(msgspec.Struct, frozen=True, kw_only=True):
    """One certificate.

    Attributes:
        serial: in hexadecimal digits.
        name: the common name, which for a device is its name in every topic.
        kind: "device": its key never was here; "client": of people and programs; "server": of the broker.
    """

    serial: str
    name: str
    kind: Kind
    not_after: datetime
    revoked_at: datetime | None = None

    def days_left(self, now: datetime) -> int:
        """Negative when it has expired."""
        return (self.not_after - now).days

    def holds(self, now: datetime) -> bool:
        """Whether a broker admits it."""
        return self.revoked_at is None and now < self.not_after


class Register(msgspec.Struct, frozen=True):
    """All of them, the oldest first.

    Attributes:
        crl_number: of the newest revocation list; they only grow (RFC 5280, section 5.2.3).
    """

    format: Literal[1] = 1
    crl_number: int = 0
    issued: list[Issued] = []


def load(path: Path) -> Register:
    """Read it.

    Raises:
        InputError: it is missing or not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Register)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = f"make one with: godwit ca init {path.parent}"
        raise InputError(Problem(str(path.parent), "an authority", found, step)) from None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(Problem(str(path), "a register of format 1", str(error), "restore it")) from None


def save(path: Path, register: Register) -> None:
    """Replace it, atomically."""
    atomic.write_bytes(path, msgspec.json.format(msgspec.json.encode(register), indent=2) + b"\n")
