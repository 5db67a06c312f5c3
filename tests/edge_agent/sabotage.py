"""`edge-agent`, broken on purpose: cursors are committed apart from (before) the messages.

The test of the crash runs this too, to show that it would notice.
"""

from __future__ import annotations

from collections.abc import Callable

from edge_agent import outbox
from edge_agent.cli import run
from edge_agent.link.spool import Spool
from firmware_profiles.wire import Input, MessageClass

_put, _answered, _commit = Spool.put, Spool.answered, Spool.commit
_held: list[tuple[MessageClass, str, Callable[[int], bytes]]] = []


def put(self: Spool, kind: MessageClass, topic: str, build: Callable[[int], bytes]) -> None:
    """Keep the message for the next commit."""
    _held.append((kind, topic, build))
    self.uncommitted = len(_held)


def answered(self: Spool, which: Input) -> None:
    """Commit the cursor now."""
    _answered(self, which)
    self._connection.execute("COMMIT")


def commit(self: Spool) -> None:
    """Commit the messages kept so far."""
    while _held:
        _put(self, *_held.pop(0))
    _commit(self)


outbox._COMMIT_AFTER_S = 10.0  # so groups of 100 messages, and never right after a commit
Spool.put, Spool.answered, Spool.commit = put, answered, commit  # type: ignore[method-assign]  # that is the sabotage

if __name__ == "__main__":
    raise SystemExit(run())
