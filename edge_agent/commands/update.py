"""`edge-agent update`: look into the repository, and bring what is new. One run of the updater, from first to last."""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path

import msgspec

from edge_agent import clock, config, renewing
from edge_agent.commands.updating import open_root, raise_if_failed
from edge_agent.config import Config
from edge_agent.layout import Root, existing
from edge_agent.ota import history, looking
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.history import Entry
from edge_agent.ota.slots import Slots
from edge_agent.ota.updater import Updater
from firmware_profiles.errors import GodwitError, InputError, Problem
from firmware_profiles.installation import Updated


def main(arguments: argparse.Namespace) -> int:
    """Print an `Updated`; the error of what did not end well."""
    root = existing(arguments.root)
    settings = config.load(root.config)
    with open_root(arguments.root, "update"):
        if arguments.at_boot:
            return _at_boot(root, settings)
        asked = _asked(root)  # first: a certificate that comes after `_renew` is asked for again
        _renew(root, settings)
        carrier = _carrier(root, settings) if settings.update.url else None
        updater = Updater(root, settings, carrier, watch=True)
        updater.resume()
        done = _look(root, settings, updater, arguments.now or asked)
    raise_if_failed(updater)
    print(msgspec.json.encode(done).decode() if arguments.json else _for_people(done))
    return 0


def _renew(root: Root, settings: Config) -> None:
    """The certificate of this device. Whatever is wrong with it, updates go on."""
    try:
        renewing.renew(root, settings)
    except (GodwitError, OSError, ModuleNotFoundError) as error:
        for line in str(error).splitlines():
            print(f"warning: the device's certificate: {line}", file=sys.stderr)


def _at_boot(root: Root, settings: Config) -> int:
    slots = Slots(root.slots)
    if slots.active() != slots.proven():
        updater = Updater(root, settings, None, watch=False)
        updater.count_boot()
        raise_if_failed(updater)
    return 0


def _carrier(root: Root, settings: Config) -> Carrier:
    from edge_agent.ota.http import HttpCarrier  # late: at a boot nothing is fetched

    ca = settings.update.ca
    # A device that woke in 1970 judges its pinned authority, but not the dates of what that signed.
    judge_dates = not ca or clock.is_synchronised()
    return HttpCarrier(settings.update.url, Path(root.folder, ca) if ca else None, judge_dates=judge_dates)


def _asked(root: Root) -> bool:
    """Whether the agent asked for a check; from then on it may ask again."""
    asked = False
    for path in (root.request, root.asked):
        with contextlib.suppress(OSError):  # none, or a folder: whatever the agent lays there holds up no update
            path.unlink()
            asked = True
    return asked


def _look(root: Root, settings: Config, updater: Updater, now: bool) -> Updated:
    if updater.finished:
        return _ended(updater.finished)
    if updater.journal.state != "idle":
        return _on_probation(updater)
    if updater.carrier is None:
        step = "name the repository there, or bring a kit: edge-agent install KIT"
        raise InputError(Problem(f"{root.config}: update.url", "where updates come from", "nothing", step))
    if not now and not looking.is_due(updater.journal, settings.update, settings.device):
        return Updated("not_due")
    try:
        found = looking.look(root, settings, updater.carrier)
    except GodwitError as error:
        history.add(root, history.about_nothing("update_unavailable", str(error)))
        updater.looked()
        raise
    updater.looked()
    if found.plan is not None:
        updater.run("found", found.plan)
        return _ended(updater.finished) if updater.finished else _on_probation(updater)
    offer = found.offer
    return Updated(found.told, offer.deployment, offer.version) if offer and found.told else Updated("nothing")


def _ended(entry: Entry) -> Updated:
    return Updated(entry.event, entry.deployment, entry.version, entry.reason)  # type: ignore[arg-type]  # a Result


def _on_probation(updater: Updater) -> Updated:
    plan = updater.journal.plan
    assert plan is not None
    return Updated("on_probation", plan.deployment, plan.version, "no agent runs that could tell how it does")


def _for_people(done: Updated) -> str:
    what = f"{done.deployment} {done.version}".strip()
    why = f": {done.reason}" if done.reason else ""
    return {
        "not_due": "it is too early to look again; --now looks all the same",
        "nothing": "the repository has nothing for this device",
        "up_to_date": f"{what} is up to date",
        "rejected_before": f"{what} did badly here before and is not tried again",
        "on_probation": f"{what} is on probation{why}",
    }.get(done.result, f"{what} was taken over{why}")
