"""Bring a device's trust up to date, and find what there is for it."""

from __future__ import annotations

from tuf.api.metadata import Targets

from edge_agent.layout import Root
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.reference import Reference
from firmware_profiles.targets import Kind, Offer


def pin(root: Root, root_json: bytes) -> None:
    """Make `root_json` the device's initial trust; nothing changes where it is that already.

    Raises:
        TrustError: it is not a root that verifies itself, or the device trusts another one.
    """
    raise NotImplementedError


def refresh(root: Root, carrier: Carrier, reference: Reference) -> Targets:
    """Bring the device's metadata up to date (TUF 1.0.34, section 5) and keep each file that verified.

    Raises:
        TrustError: the device trusts no repository yet, or something does not verify.
        UnavailableError: the carrier could not bring it, or it could not be written.
    """
    raise NotImplementedError


def choose(targets: Targets, profile: str, group: str, kind: Kind = "deployment", python: str = "") -> Offer | None:
    """What verified `targets` have for a device of that profile and group; None for nothing.

    Args:
        python: for an agent's code, the device's Python as "cp311".

    Raises:
        TrustError: they contradict themselves: two for one device, or a custom that cannot be read.
    """
    raise NotImplementedError
