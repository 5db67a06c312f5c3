"""What `edge-agent install --json` and `edge-agent update --json` print."""

from __future__ import annotations

from typing import Literal

import msgspec


class Installed(msgspec.Struct, frozen=True):
    """A deployment in a device root.

    Attributes:
        slot: where it lies.
        device: the name that the device is configured with.
        changed: whether another deployment is active now than before.
        on_probation: it has yet to do well; until then a failure leads back to the one before.
    """

    deployment: str
    version: str
    slot: str
    device: str
    changed: bool
    on_probation: bool = False


Result = Literal[
    "not_due",
    "nothing",
    "up_to_date",
    "rejected_before",
    "on_probation",
    "update_committed",
    "update_rejected",
    "update_failed",
]


class Updated(msgspec.Struct, frozen=True):
    """What became of one run of the updater.

    Attributes:
        result: not_due: it is too early to look again. nothing: there is nothing for this device. up_to_date: it
            runs already. rejected_before: it did badly here, and is not tried again. on_probation: it runs, and no
            agent tells yet how it does. update_committed, update_rejected, update_failed: as the event.
        deployment, version: what it is about; empty for "not_due" and "nothing".
        reason: for people.
    """

    result: Result
    deployment: str = ""
    version: str = ""
    reason: str = ""
