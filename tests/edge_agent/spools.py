"""What the tests of the spool share."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import msgspec

from edge_agent import clock, config
from edge_agent.link.outgoing import Waiting
from edge_agent.link.spool import Spool
from firmware_profiles import wire
from firmware_profiles.results import Input
from firmware_profiles.wire import MessageClass

LARGE = config.Spool()


def put(spool: Spool, kind: MessageClass = "prediction", size: int = 100, answers: Input | None = None) -> None:
    """An event, in any class, with a text of `size` bytes."""
    moment = clock.moment()._asdict()
    message = wire.Event(seq=0, spool=spool.id, **moment, name=kind, severity="info", text="x" * size)
    spool.put(kind, f"t/{kind}", lambda seq: msgspec.structs.replace(message, seq=seq))
    if answers is not None:
        spool.answered(answers)


def put_many(spool: Spool, kind: MessageClass, count: int, size: int = 300) -> None:
    """As the outbox does it: in groups."""
    for _ in range(count):
        put(spool, kind, size)
        if spool.uncommitted >= LARGE.commit_messages or spool.group_is_large:
            spool.commit()
    spool.commit()


def waiting(spool: Spool) -> list[Waiting]:
    """All that is committed."""
    spool.rewind()
    return list(chain.from_iterable(iter(spool.waiting, [])))


def events(messages: Iterable[Waiting], kind: MessageClass | None = None) -> list[wire.Event]:
    """The messages themselves, of one class or all."""
    found = [(message.topic, wire.decode("event", message.payload)) for message in messages]
    return [event for topic, event in found if isinstance(event, wire.Event) and kind in (None, topic[2:])]


def numbers(spool: Spool, kind: MessageClass = "prediction") -> list[int]:
    """Numbers of the messages of a class that wait."""
    return [event.seq for event in events(waiting(spool), kind)]


def crash(spool: Spool) -> None:
    """What a killed process leaves behind: what was in memory is gone."""
    spool._connection.close()
