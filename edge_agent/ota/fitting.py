"""Is a bundle what it was announced as, and is it for this machine?"""

from __future__ import annotations

from pathlib import Path

from edge_agent.ota.journal import Plan
from firmware_profiles import profile
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.manifest import Manifest


def check(bundle: Bundle, plan: Plan) -> None:
    """Refuse a bundle that is not the one of `plan`, or not for here.

    Raises:
        BundleError: naming the difference.
    """
    step = "sign it again as what it is"
    if bundle.sha256 != plan.sha256:
        found = f"{bundle.sha256[:12]}…"
        raise BundleError(Problem(str(bundle.path), f"sha256 {plan.sha256[:12]}…", found, "it changed: try again"))
    manifest = bundle.manifest
    if (manifest.name, manifest.version) != (plan.deployment, plan.version):
        expected, found = f"{plan.deployment} {plan.version}", f"{manifest.name} {manifest.version}"
        raise BundleError(Problem(str(bundle.path), expected, found, step))
    check_machine(manifest, bundle.path)


def check_machine(of: Manifest, path: Path) -> None:
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
