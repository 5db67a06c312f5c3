"""The time by which a device judges what has expired."""

from __future__ import annotations

from datetime import datetime

from edge_agent.layout import Root


class Reference:
    """The last known good time of one device root, kept in `trust/clock.json`."""

    def now(self) -> datetime:
        """The time to judge by."""
        raise NotImplementedError


def load(root: Root) -> Reference:
    """The device's reference time; one that cannot be read is set aside and begun anew."""
    raise NotImplementedError
