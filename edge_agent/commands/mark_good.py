"""`edge-agent mark-good`: a person says that the version on probation does well."""

from __future__ import annotations

import argparse

import msgspec

from edge_agent import config
from edge_agent.commands.updating import open_root
from edge_agent.layout import existing
from edge_agent.ota.updater import Updater
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.installation import Updated


def main(arguments: argparse.Namespace) -> int:
    """End the probation; print an `Updated`."""
    root = existing(arguments.root)
    settings = config.load(root.config)
    with open_root(arguments.root, "mark-good", decides=True):
        updater = Updater(root, settings, None, watch=False)
        updater.resume()
        plan = updater.journal.plan
        if updater.journal.state != "proving" or plan is None:
            step = "see edge-agent history"
            raise InputError(Problem(str(root.folder), "a version on probation", "none", step))
        updater.run("proved", plan, "a person said so")
    done = Updated("update_committed", plan.deployment, plan.version, updater.journal.reason)
    print(msgspec.json.encode(done).decode() if arguments.json else f"{plan.deployment} {plan.version} stays")
    return 0
