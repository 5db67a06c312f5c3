"""`edge-agent rollback`: back to the deployment before."""

from __future__ import annotations

import argparse

import msgspec

from edge_agent import config
from edge_agent.commands.updating import open_root
from edge_agent.deployment import read_slot
from edge_agent.layout import existing
from edge_agent.ota.kinds import Deployments
from edge_agent.ota.slots import Slots
from edge_agent.ota.updater import Updater, plan_back
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed

_REASON = "a person rolled it back"


def main(arguments: argparse.Namespace) -> int:
    """Make the other slot the active one; the version that is left is not tried again. Print an `Installed`."""
    root = existing(arguments.root)
    settings = config.load(root.config)
    with open_root(arguments.root, "rollback", decides=True):
        updater = Updater(root, settings, None, watch=False)
        updater.resume()
        if updater.journal.state == "proving":
            assert updater.journal.plan is not None
            updater.run("unhealthy", updater.journal.plan, _REASON)
        else:
            updater.run("asked_back", plan_back("deployment", Deployments(root, settings)), _REASON)
    ended = updater.finished
    if ended is None or ended.event != "update_rejected":
        found = ended.reason if ended else "nothing"
        raise UnavailableError(Problem(str(root.folder), "a way back", found, "install a bundle or a kit instead"))
    manifest = read_slot(root.active).manifest
    done = Installed(manifest.name, manifest.version, Slots(root.slots).active(), settings.device, True)
    said = f"{done.deployment} {done.version} is active again; {ended.deployment} {ended.version} is not tried again"
    print(msgspec.json.encode(done).decode() if arguments.json else said)
    return 0
