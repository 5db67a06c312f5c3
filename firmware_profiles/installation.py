"""What `edge-agent install --json` prints: the outcome of one installation."""

from __future__ import annotations

import msgspec


class Installed(msgspec.Struct, frozen=True):
    """A deployment in a device root.

    Attributes:
        slot: where it lies.
        device: the name that the device is configured with.
        changed: whether another deployment is active now than before.
    """

    deployment: str
    version: str
    slot: str
    device: str
    changed: bool
