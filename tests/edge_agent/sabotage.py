"""`edge-agent`, broken on purpose: cursors are committed apart from (before) the messages.

The test of the crash runs this too, to show that it would notice.
"""

from __future__ import annotations

from edge_agent.cli import run
from edge_agent.link.group import Group
from edge_agent.link.spool import Spool
from edge_agent.outbox import Outbox
from firmware_profiles.results import Input

_commit_within = Outbox._commit_within


def answered(self: Spool, which: Input) -> None:
    """Commit the cursor at once; the message comes with its group."""
    ahead = Group()
    ahead.advance(which)
    ahead.write_cursors(self._connection)  # a transaction of its own


def commit_within(self: Outbox, _: float) -> None:
    """So groups of 100 messages, and never right after a commit."""
    _commit_within(self, 2.0)


Outbox._commit_within = commit_within  # type: ignore[method-assign]
Spool.answered = answered  # type: ignore[method-assign]  # that is the sabotage

if __name__ == "__main__":
    raise SystemExit(run())
