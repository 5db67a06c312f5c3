"""A device's certificate, as the device tells of it, and when the next one is due."""

from __future__ import annotations

from datetime import datetime

import msgspec

PROOF = b"godwit certificate renewal 1\0"
"""What a device signs with its present key before the request for a new one: a signature for nothing else."""
_KEPT_PART = 3


class Identity(msgspec.Struct, frozen=True):
    """What `edge-agent identity show --json` prints: a certificate of this device.

    Attributes:
        device: its common name.
        serial: in hexadecimal digits, as the authority lists it.
    """

    device: str
    serial: str
    not_before: datetime
    not_after: datetime

    def is_due(self, now: datetime) -> bool:
        """Whether less than a third of its time is left, so that the next one is to be had."""
        return (self.not_after - now) * _KEPT_PART < self.not_after - self.not_before
