"""`edge-agent history`: what became of the updates of a device root."""

from __future__ import annotations

import argparse

import msgspec

from edge_agent.layout import existing
from edge_agent.ota import history, journal
from edge_agent.ota.history import Entry, Rejected
from edge_agent.ota.slots import Slots
from edge_agent.ota.states import State
from firmware_profiles.errors import Problem, UnavailableError


class History(msgspec.Struct, frozen=True):
    """What `history --json` prints.

    Attributes:
        state: what the updater is at.
        active, proven: slots.
        entries: oldest first.
    """

    state: State
    active: str
    proven: str
    rejected: list[Rejected]
    entries: list[Entry]


def main(arguments: argparse.Namespace) -> int:
    """Print a `History`."""
    root = existing(arguments.root)
    try:
        state = journal.peek(root).state
    except (OSError, ValueError) as error:
        raise UnavailableError(
            Problem(str(root.journal), "the updater's journal", str(error), "run edge-agent update")
        ) from None
    slots = Slots(root.slots)
    found = History(state, slots.active(), slots.proven(), history.rejected(root), history.read(root))
    print(msgspec.json.encode(found).decode() if arguments.json else _for_people(found))
    return 0


def _for_people(found: History) -> str:
    lines = [f"updater     {found.state}; slot {found.active} is active, slot {found.proven or '-'} proven"]
    lines += [f"not again   {each.deployment} {each.version}: {each.reason}" for each in found.rejected]
    for each in found.entries:
        lines.append(f"{each.time:%Y-%m-%d %H:%M:%S}Z  {each.event.removeprefix('update_')} {each.words}")
    return "\n".join(lines)
