"""Ways through the updater's table: together they take every row, so that a new row is cut too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from edge_agent.ota.states import TABLE, Event, Row, State

What = Literal["deployment", "agent", "first"]
"""What is updated: a deployment, the agent's own code, or a device on which nothing was installed yet."""


class Path(NamedTuple):
    """From rest to rest.

    Attributes:
        begin: what happens at rest.
        script: how the action of each state ends; what is not in it ends as it does by itself.
    """

    begin: Event
    script: dict[State, Event]
    what: What = "deployment"

    @property
    def name(self) -> str:
        """The events in their order."""
        return "-".join((self.what, self.begin, *self.script.values()))


def every() -> list[Path]:
    """Those of a deployment, of the agent's own code, which no person brings as a file, and a first installation."""
    deployments = through()
    codes = [way._replace(what="agent") for way in deployments if way.script and way.begin != "brought"]
    return [*deployments, *codes, Path("found", {}, "first")]


def through(table: Sequence[Row] = TABLE) -> list[Path]:
    """What comes by itself after each beginning; then for each row that no earlier path takes, one that does."""
    paths = [Path(row.event, {}) for row in table if row.state == "idle"]
    taken: set[Row] = set()
    for row in table:
        if row in taken:
            continue
        rows = (*_way(table, "idle", row.state), row, *_way(table, row.next_state, "idle"))
        taken |= set(rows)
        paths.append(Path(rows[0].event, {each.state: each.event for each in rows[1:]}))
    return paths


def _way(table: Sequence[Row], state: State, goal: State, seen: frozenset[State] = frozenset()) -> tuple[Row, ...]:
    """Rows from one state to another; where there are several ways, the rows that come first in the table."""
    if state == goal:
        return ()
    for row in table:
        if row.state == state and row.next_state not in seen:
            try:
                return (row, *_way(table, row.next_state, goal, seen | {state}))
            except LookupError:
                continue
    raise LookupError(f"no way from {state} to {goal}")
