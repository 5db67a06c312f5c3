"""`edge-agent`, broken on purpose: a message is deleted when it is offered, before its PUBACK."""

from __future__ import annotations

from edge_agent.cli import run
from edge_agent.outbox import Outbox

_pump = Outbox.pump


def pump(self: Outbox) -> None:
    """Offer, and delete at once."""
    offer = self._link.offer

    def and_delete(message_id: int, topic: str, payload: bytes) -> None:
        offer(message_id, topic, payload)
        self.spool.acknowledge(message_id)

    self._link.offer = and_delete  # type: ignore[method-assign]
    try:
        _pump(self)
    finally:
        self._link.offer = offer  # type: ignore[method-assign]


Outbox.pump = pump  # type: ignore[method-assign]  # that is the sabotage

if __name__ == "__main__":
    raise SystemExit(run())
