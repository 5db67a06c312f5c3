"""The replay source: every item of a data set once, from where it was left."""

from __future__ import annotations

from edge_agent.flow.dataset import Dataset
from edge_agent.flow.source import Ended, Item
from firmware_profiles.errors import InputError


class ReplaySource:
    """Items of a data set, after the position `reached`."""

    def __init__(self, data: Dataset, reached: int) -> None:
        self._data = data
        self._next = reached + 1

    def poll(self) -> Item | None:
        """See `source.Source`."""
        if self._next >= len(self._data):
            raise Ended
        position = self._next
        self._next += 1
        try:
            return Item(position, self._data[position])
        except InputError as error:
            return Item(position, error)

    def gone(self) -> list[str]:
        """None ever: a data set does not change."""
        return []

    def fileno(self) -> None:
        """None: the next item is always there."""

    def finish(self) -> None:
        """See `source.Source`."""
        self._next = len(self._data)

    def close(self) -> None:
        """Nothing is held."""
