"""Decide first: what flashing will do, before anything is written."""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware_profiles.bundle import Bundle


class Plan(msgspec.Struct, frozen=True):
    """A whole bundle and the device roots that it goes to."""

    bundle: str
    deployment: str
    version: str
    profiles: list[str]
    size_bytes: int
    sha256: str
    roots: list[str]


def make(path: Path, roots: list[Path]) -> Plan:
    """Verify the bundle at `path` and plan.

    Raises:
        BundleError: it is missing, damaged, or not a bundle.
    """
    with Bundle(path) as bundle:
        of = bundle.manifest
        size_bytes = path.stat().st_size
        return Plan(
            str(path), of.name, of.version, of.profiles, size_bytes, bundle.sha256, [str(root) for root in roots]
        )
