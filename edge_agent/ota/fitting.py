"""Is a bundle what it was announced as, and is it for this machine?"""

from __future__ import annotations

from edge_agent.fitting import check_fits
from edge_agent.ota.journal import Plan
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import BundleError, Problem


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
    check_fits(manifest, bundle.path)
