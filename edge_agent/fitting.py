"""Whether a bundle was made for this machine."""

from __future__ import annotations

from pathlib import Path

from firmware_profiles import profile
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import Manifest


def check_fits(of: Manifest, path: Path) -> None:
    """Refuse a bundle that was made for another device than this one.

    Raises:
        BundleError: naming the profile it was made for, and what this machine is.
    """
    step = "convert with --target for this device"
    made_for = f"a bundle for this machine ({profile.userland_arch()})"
    if of.arch != profile.userland_arch():
        raise BundleError(Problem(str(path), made_for, f"one for {of.profiles[0]} ({of.arch})", step))
    if not of.device_tree_model:
        return
    board = profile.board() or "no device tree"
    if not board.startswith(of.device_tree_model):
        raise BundleError(Problem(str(path), f"a bundle for this board ({board})", f"one for {of.profiles[0]}", step))
