"""What is flashed to one kind of device: one verified bundle."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

from firmware_profiles import profile
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import InputError
from firmware_profiles.manifest import MANIFEST_NAME, Manifest
from firmware_profiles.profile import Profile


class Goods(NamedTuple):
    """A bundle.

    Attributes:
        sha256: of the bundle; `manifest_sha256` of the manifest in it.
        profile: what it was made for; None where that was a user's own file.
    """

    bundle: Path
    manifest: Manifest
    size_bytes: int
    sha256: str
    manifest_sha256: str
    profile: Profile | None


def read(path: Path) -> Goods:
    """Verify the bundle at `path`.

    Raises:
        BundleError: it is missing, damaged, or not a bundle.
    """
    with Bundle(path) as bundle:
        digest = hashlib.sha256(bundle.read(MANIFEST_NAME)).hexdigest()
        of = bundle.manifest
        return Goods(path, of, path.stat().st_size, bundle.sha256, digest, _profile(of))


def _profile(of: Manifest) -> Profile | None:
    try:
        return profile.load(of.profiles[0])
    except InputError:
        return None
