"""`etc/agent.toml` that changes while the agent runs: what can take effect at once does, and what is wrong does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent import config
from edge_agent.config import Config
from firmware_profiles.errors import InputError

AT_NEXT_START = ("device", "broker", "spool", "http", "homeassistant")
"""Tables of what is opened once: connections, files, ports."""


class Change(NamedTuple):
    """A valid configuration that is another one than before; names of its keys that changed."""

    config: Config
    now: list[str]
    later: list[str]


class Watched:
    """The file, looked at now and then."""

    def __init__(self, path: Path, present: Config, refused: Callable[[str], None]) -> None:
        """`refused` is told what is wrong with a changed file, once a change."""
        self._path = path
        self._present = present
        self._refused = refused
        self._seen = self._signature()

    def look(self) -> Change | None:
        """What changed since the last call."""
        signature = self._signature()
        if signature == self._seen:
            return None
        self._seen = signature
        try:
            fresh = config.load(self._path)
        except InputError as error:
            self._refused(str(error))
            return None
        before, self._present = self._present, fresh
        fields = [field.name for field in msgspec.structs.fields(Config)]
        changed = [name for name in fields if getattr(fresh, name) != getattr(before, name)]
        if not changed:
            return None
        return Change(
            fresh,
            [name for name in changed if name not in AT_NEXT_START],
            [name for name in changed if name in AT_NEXT_START],
        )

    def _signature(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return (0, 0, 0)
        return (status.st_ino, status.st_size, status.st_mtime_ns)
