"""The updater as one table: what it may be at, what may happen then, and what it is at next.

The journal says `next_state` before its `action` is begun, so a start always knows what was being done. Every
action can be done again: it looks at what is there, not at how far it came. A row says what a start does that
finds the journal at `next_state`: the action "again". What may be interrupted by the very thing that it does (a
self-test that takes the device down, a deployment that makes it reboot) has a row `looped`, which is taken at the
fourth start in that state. A boot with a version on probation counts as one, before the agent starts.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

State = Literal[
    "idle",
    "fetching",
    "staging",
    "testing",
    "activating",
    "proving",
    "committing",
    "rolling_back",
    "rejecting",
    "giving_up",
]
Event = Literal[
    "found",
    "brought",
    "lost",
    "asked_back",
    "fetched",
    "staged",
    "trusted",
    "passed",
    "switched",
    "first",
    "proved",
    "committed",
    "refused",
    "failed",
    "unhealthy",
    "looped",
    "switched_back",
    "no_way_back",
    "rejected",
    "given_up",
]
Action = Literal["rest", "fetch", "stage", "test", "switch", "prove", "commit", "switch_back", "reject", "give_up"]
OnRestart = Literal["rest", "again"]

MOST_STARTS = 3
"""In one state, without an end of it; one more is a loop."""


class Row(NamedTuple):
    """One line: at `state`, `event` leads to `next_state`, and `action` is what is done there."""

    state: State
    event: Event
    next_state: State
    action: Action
    on_restart: OnRestart


TABLE: tuple[Row, ...] = (
    # Plan: an offer, a bundle that a person brought, a way back that was asked for, a journal that cannot be read.
    Row("idle", "found", "fetching", "fetch", "again"),
    Row("idle", "brought", "staging", "stage", "again"),
    Row("idle", "asked_back", "rolling_back", "switch_back", "again"),
    Row("idle", "lost", "rolling_back", "switch_back", "again"),
    # Fetch and verify.
    Row("fetching", "fetched", "staging", "stage", "again"),
    Row("fetching", "failed", "giving_up", "give_up", "again"),
    Row("fetching", "looped", "giving_up", "give_up", "again"),
    # Stage in the idle slot.
    Row("staging", "staged", "testing", "test", "again"),
    Row("staging", "trusted", "activating", "switch", "again"),
    Row("staging", "refused", "rejecting", "reject", "again"),
    Row("staging", "failed", "giving_up", "give_up", "again"),
    Row("staging", "looped", "giving_up", "give_up", "again"),
    # Self-test.
    Row("testing", "passed", "activating", "switch", "again"),
    Row("testing", "refused", "rejecting", "reject", "again"),
    Row("testing", "failed", "giving_up", "give_up", "again"),
    Row("testing", "looped", "rejecting", "reject", "again"),
    # Activate: one rename.
    Row("activating", "switched", "proving", "prove", "again"),
    Row("activating", "first", "committing", "commit", "again"),
    # Prove healthy.
    Row("proving", "proved", "committing", "commit", "again"),
    Row("proving", "unhealthy", "rolling_back", "switch_back", "again"),
    Row("proving", "looped", "rolling_back", "switch_back", "again"),
    # The ends.
    Row("rolling_back", "switched_back", "rejecting", "reject", "again"),
    Row("rolling_back", "no_way_back", "giving_up", "give_up", "again"),
    Row("committing", "committed", "idle", "rest", "rest"),
    Row("rejecting", "rejected", "idle", "rest", "rest"),
    Row("giving_up", "given_up", "idle", "rest", "rest"),
)
_BY_CAUSE = {(row.state, row.event): row for row in TABLE}
_BY_STATE = {row.next_state: row for row in TABLE}


def after(state: State, event: Event) -> Row:
    """The row of `event` at `state`.

    Raises:
        KeyError: nothing of the kind can happen there.
    """
    return _BY_CAUSE[state, event]


def admits(state: State, event: Event) -> bool:
    """Whether `event` can happen at `state`."""
    return (state, event) in _BY_CAUSE


def at(state: State) -> tuple[Action, OnRestart]:
    """What is done at `state`, and what a start does that finds the journal there."""
    row = _BY_STATE[state]
    return row.action, row.on_restart
