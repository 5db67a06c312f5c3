"""What became of every update, and which versions are not tried again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from edge_agent import clock
from edge_agent.layout import Root
from firmware_profiles import atomic

if TYPE_CHECKING:  # the supervisor reads the history, and needs neither the journal nor the table of states
    from edge_agent.ota.journal import Journal

MOST_ENTRIES = 200
_MOST_REJECTED = 50
_MAX_BYTES = 1 << 20

T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `history.jsonl`.

    Attributes:
        event: a name of `firmware_profiles.wire.EVENTS`.
        number: of the update; 0 for what is about none.
        time: by the device's clock, which may be wrong.
        reason: why, where there is more to say.
        way, fetched_bytes, spent_s, tested: as in the journal.
    """

    event: str
    time: datetime
    number: int = 0
    kind: str = ""
    deployment: str = ""
    version: str = ""
    slot: str = ""
    reason: str = ""
    way: str = ""
    fetched_bytes: int = 0
    spent_s: dict[str, float] = {}
    tested: dict[str, str] = {}

    @property
    def words(self) -> str:
        """What it is about, and why; for people."""
        what = f"{self.deployment} {self.version}".strip()
        why = "; ".join(filter(None, (self.reason, self._self_test())))
        return ": ".join(filter(None, (what, why)))

    def _self_test(self) -> str:
        passed = [place for place, how in self.tested.items() if how == "passed"]
        others = [place for place in self.tested if place not in passed]
        named = (("tested on", passed), ("not on", others))
        return ", ".join(f"{word} {', '.join(places)}" for word, places in named if places)


class Rejected(msgspec.Struct, frozen=True):
    """A version that did badly here; only another one is tried."""

    kind: str
    deployment: str
    version: str
    reason: str


def entry(event: str, journal: Journal) -> Entry:
    """What `event` is about, as of now."""
    plan = journal.plan
    assert plan is not None
    return Entry(
        event=event,
        time=clock.moment().time,
        number=journal.number,
        kind=plan.kind,
        deployment=plan.deployment,
        version=plan.version,
        slot=plan.slot,
        reason=journal.reason,
        way=journal.way,
        fetched_bytes=journal.fetched_bytes,
        spent_s=journal.spent_s,
        tested=journal.tested,
    )


def about_nothing(event: str, reason: str) -> Entry:
    """What happened while there was no update."""
    return Entry(event=event, time=clock.moment().time, reason=reason)


def read(root: Root) -> list[Entry]:
    """The entries, oldest first; lines that cannot be read are left out."""
    return [found for line in _bytes(root.history).splitlines() if (found := _decoded(line, Entry))]


def add(root: Root, new: Entry) -> None:
    """Append `new`, unless the last entry tells the same; the oldest go where there are too many.

    Raises:
        OSError: the disk refused; the old file is whole.
    """
    entries = read(root)
    if entries and (entries[-1].number, entries[-1].event, entries[-1].reason) == (new.number, new.event, new.reason):
        return
    kept = [*entries, new][-MOST_ENTRIES:]
    atomic.write_bytes(root.history, b"".join(msgspec.json.encode(each) + b"\n" for each in kept))


def rejected(root: Root) -> list[Rejected]:
    """Versions that are not tried again; none where the file cannot be read."""
    return _decoded(_bytes(root.rejected), list[Rejected]) or []


def is_rejected(root: Root, kind: str, deployment: str, version: str) -> bool:
    """Whether this version did badly here."""
    return any((each.kind, each.deployment, each.version) == (kind, deployment, version) for each in rejected(root))


def reject(root: Root, new: Rejected) -> None:
    """Remember `new`."""
    _write_rejected(root, [*_without(root, new.kind, new.deployment, new.version), new][-_MOST_REJECTED:])


def forgive(root: Root, kind: str, deployment: str, version: str) -> None:
    """Forget that this version was rejected."""
    if is_rejected(root, kind, deployment, version):
        _write_rejected(root, _without(root, kind, deployment, version))


def _without(root: Root, *which: str) -> list[Rejected]:
    return [each for each in rejected(root) if (each.kind, each.deployment, each.version) != which]


def _write_rejected(root: Root, entries: Sequence[Rejected]) -> None:
    atomic.write_bytes(root.rejected, msgspec.json.encode(entries))


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(_MAX_BYTES)
    except OSError:
        return b""


def _decoded(raw: bytes, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
