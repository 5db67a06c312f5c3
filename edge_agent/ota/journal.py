"""What the updater is at: one atomic file, written before each action."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent.layout import Root
from edge_agent.ota.states import State
from firmware_profiles import atomic
from firmware_profiles.targets import Offer

_MAX_BYTES = 1 << 16
_MAX_REASON = 1000

Slot = Literal["", "a", "b"]


class Plan(msgspec.Struct, frozen=True):
    """One update.

    Attributes:
        kind: "deployment", or "agent" for the agent's own code.
        deployment, version: what the bundle says that it is.
        sha256: of the bundle.
        size_bytes: of the bundle.
        slot: where it goes, or lies.
        previous: the slot that is active until then; empty at the first installation.
        bundle: path of a file that a person brought; empty for what is fetched.
        offer: what the signed metadata say of it; None for a file that a person brought.
    """

    kind: Literal["deployment", "agent"]
    deployment: str
    version: str
    slot: Slot
    previous: Slot
    sha256: str = ""
    size_bytes: int = 0
    bundle: str = ""
    offer: Offer | None = None


class Journal(msgspec.Struct, frozen=True):
    """The whole file. Fields that it does not know are left out: newer code of the agent, which was left, wrote them.

    Attributes:
        number: of the update, counted from 1.
        starts: of the updater in this state without an end of it.
        counted_boot: the boot that `starts` counts before the updater's first start in it.
        reason: why it goes on as it does, for people.
        way: how the bundle came: "full", "xz", "bsdiff4", or "file".
        fetched_bytes: so many were fetched for it.
        spent_s: state → seconds that its action took.
        tested: by the self-test: "runtime/delegate" → "passed", or why nothing will run there.
        checked_boot, checked_uptime_ms: when the updater last looked for something newer.
    """

    state: State = "idle"
    plan: Plan | None = None
    number: Annotated[int, Meta(ge=0)] = 0
    starts: Annotated[int, Meta(ge=0)] = 0
    counted_boot: str = ""
    reason: str = ""
    way: str = ""
    fetched_bytes: int = 0
    spent_s: dict[str, float] = {}
    tested: dict[str, str] = {}
    checked_boot: str = ""
    checked_uptime_ms: int = 0

    def of(self, plan: Plan) -> Journal:
        """The next one, of another update; its state stays."""
        checked_boot, checked_uptime_ms = self.checked_boot, self.checked_uptime_ms
        number = self.number + 1
        return Journal(self.state, plan, number, checked_boot=checked_boot, checked_uptime_ms=checked_uptime_ms)

    def because(self, reason: str) -> Journal:
        """The same, with a reason of a bounded length."""
        return msgspec.structs.replace(self, reason=" ".join(reason.split())[:_MAX_REASON])


class DamagedError(Exception):
    """The journal cannot be read; `kept` is where it was set aside."""

    def __init__(self, why: str, kept: Path) -> None:
        super().__init__(why)
        self.kept = kept


def peek(root: Root) -> Journal:
    """The journal; a new one where there is none.

    Raises:
        ValueError: it is not what the updater writes.
        OSError: it cannot be read.
    """
    try:
        with root.journal.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        return Journal()
    if len(raw) > _MAX_BYTES:
        raise ValueError("longer than any journal")
    try:
        found = msgspec.json.decode(raw, type=Journal)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if found.state != "idle" and found.plan is None:
        raise ValueError(f"{found.state}, and no plan")
    return found


def load(root: Root) -> Journal:
    """As `peek`, for the updater.

    Raises:
        DamagedError: it is not what the updater writes; it was set aside, and there is none any more.
        OSError: it cannot be read, or not be set aside.
    """
    try:
        return peek(root)
    except ValueError as error:  # msgspec's and Unicode's errors are
        kept = root.journal.with_suffix(".damaged")
        os.replace(root.journal, kept)
        atomic.sync_folder(root.update)
        raise DamagedError(str(error), kept) from None


def save(root: Root, journal: Journal) -> None:
    """Write it, durably.

    Raises:
        OSError: the disk refused; the old one is whole.
    """
    atomic.write_bytes(root.journal, msgspec.json.encode(journal))
