"""A few words that outlive the process, in a JSON file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import msgspec

from firmware_profiles import atomic

_log = logging.getLogger(__name__)
_MAX_BYTES = 1 << 20


class Remembered:
    """A set of words. A file that is missing or damaged holds none; without a path they live as long as we.

    Attributes:
        words: as they are now.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.words = self._read()

    def replace(self, words: Iterable[str]) -> None:
        """Keep these and no others."""
        words = frozenset(words)
        if words == self.words:
            return
        self.words = words
        if self._path is None:
            return
        try:
            atomic.write_bytes(self._path, msgspec.json.encode(sorted(words)))
        except OSError as error:
            _log.warning("%s: %s", self._path, error.strerror)  # the old words stay, which does no harm

    def _read(self) -> frozenset[str]:
        if self._path is None:
            return frozenset()
        try:
            with self._path.open("rb") as stream:
                return frozenset(msgspec.json.decode(stream.read(_MAX_BYTES), type=list[str]))
        except (OSError, ValueError):
            return frozenset()
