"""What a repository or a kit has for this device."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from edge_agent import clock
from edge_agent.config import Config
from edge_agent.deployment import read_slot
from edge_agent.layout import Root
from edge_agent.ota import history, kinds, reference
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.journal import Journal, Plan
from edge_agent.ota.kinds import Kind
from edge_agent.update_config import Update
from firmware_profiles import profile, targets
from firmware_profiles.errors import BundleError
from firmware_profiles.targets import Offer

if TYPE_CHECKING:
    from tuf.api.metadata import Targets

_SPREAD = 0.1

Told = Literal["", "rejected_before", "up_to_date", "nothing"]
_NEWS: tuple[Told, ...] = ("", "rejected_before", "up_to_date", "nothing")
"""What comes first is told, where both kinds have something to tell."""


class Found(NamedTuple):
    """What there is.

    Attributes:
        plan: None where there is nothing to be done.
        told: why there is nothing to be done.
    """

    offer: Offer | None
    plan: Plan | None
    told: Told = ""


def is_due(at: Journal, settings: Update, device: str) -> bool:
    """Whether it is time to look again; devices of one fleet spread over a tenth of the interval."""
    share = int.from_bytes(hashlib.sha256(device.encode()).digest()[:2], "big") / 65_536
    wait_ms = settings.interval_s * 1000 * (1 + _SPREAD * share)
    return at.checked_boot != clock.boot_id() or clock.uptime_ms() - at.checked_uptime_ms >= wait_ms


def look(root: Root, config: Config, carrier: Carrier, *, code: bool = True, try_again: bool = False) -> Found:
    """Bring the trust up to date and see what there is; the agent's own code, which a deployment may need, comes first.

    Args:
        code: whether that may come at all.
        try_again: what was rejected before, too: a person wants it.

    Raises:
        TrustError: something does not verify.
        UnavailableError: it could not be had.
    """
    from edge_agent.ota import refreshing  # late: TUF takes time and memory, and mostly it is too early to look

    signed = refreshing.refresh(root, carrier, reference.load(root))
    both, agent = kinds.of_root(root, config), Found(None, None, "nothing")
    if code and both["agent"].slots.active():  # a launcher starts it
        agent = _judged(root, both["agent"], _offer(root, config.update, signed, "agent"), try_again)
        if agent.plan:
            return agent
    deployment = _judged(root, both["deployment"], _offer(root, config.update, signed, "deployment"), try_again)
    return min(deployment, agent, key=lambda found: _NEWS.index(found.told))


def _offer(root: Root, settings: Update, signed: Targets, kind: targets.Kind) -> Offer | None:
    from edge_agent.ota import refreshing

    python = kinds.python_tag() if kind == "agent" else ""
    offers = (refreshing.choose(signed, name, settings.group, kind, python) for name in _profiles(root, settings))
    return next(filter(None, offers), None)


def _judged(root: Root, kind: Kind, offer: Offer | None, try_again: bool) -> Found:
    """What is to be done about an offer."""
    if offer is None:
        return Found(None, None, "nothing")
    slots = kind.slots
    if kind.runs(offer):
        return Found(offer, None, "up_to_date")
    if not try_again and history.is_rejected(root, offer.kind, offer.deployment, offer.version):
        return Found(offer, None, "rejected_before")
    plan = Plan(
        offer.kind,
        offer.deployment,
        offer.version,
        slots.idle(),
        slots.active(),
        sha256=offer.sha256,
        size_bytes=offer.size_bytes,
        offer=offer,
    )
    return Found(offer, plan)


def _profiles(root: Root, settings: Update) -> Sequence[str]:
    """Whose offers this device takes; of a bare device all that fit this machine, the most particular ones first."""
    if settings.profile:
        return [settings.profile]
    try:
        return read_slot(root.active).manifest.profiles[:1]
    except BundleError:
        known = map(profile.load, profile.names())
        fitting = [each for each in known if profile.is_this_machine(each)]
        return [each.name for each in sorted(fitting, key=lambda each: -len(each.hardware.device_tree_model))]
