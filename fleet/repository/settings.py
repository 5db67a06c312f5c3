"""`settings.json`: what a repository's operator declared, and where each private key is. No secrets."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from fleet.repository.places import Places

Role = Literal["root", "targets", "snapshot", "timestamp"]
ROLES: tuple[Role, ...] = ("root", "targets", "snapshot", "timestamp")
Days = Annotated[int, Meta(ge=1, le=36_500)]
DEFAULT_DAYS: dict[Role, int] = {"root": 730, "targets": 400, "snapshot": 30, "timestamp": 14}
"""A kit lives no longer than root and targets; those of targets leave room for one of a year."""
KIT_DAYS = 365


class Settings(msgspec.Struct, frozen=True):
    """What is declared.

    Attributes:
        expires_days: how long each role's metadata is valid from its signing on.
        keys: key id → URI of the private key, as in securesystemslib. A `pem:NAME` lies in `keys` or `root-keys`.
        roots: version → SHA-256 of each root that was signed here; the published folder is not trusted for them.
        signed_for: version of the root by whose keys everything else was last published; older than the newest root
            only while a change of keys is not at its end.
    """

    format: Literal[1]
    expires_days: dict[Role, Days]
    keys: dict[str, str]
    roots: dict[int, str]
    signed_for: int


def load(places: Places) -> Settings:
    """The settings of a repository.

    Raises:
        InputError: they cannot be read.
    """
    try:
        return msgspec.json.decode(places.settings.read_bytes(), type=Settings)
    except (OSError, ValueError) as error:
        step = "restore it from a copy of the repository"
        raise InputError(Problem(str(places.settings), "settings of format 1", str(error), step)) from None


def save(places: Places, settings: Settings) -> None:
    """Replace the settings, atomically."""
    raw = msgspec.json.format(msgspec.json.encode(settings), indent=2) + b"\n"
    atomic.write_bytes(places.settings, raw)
