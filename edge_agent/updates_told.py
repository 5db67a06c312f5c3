"""What the updater did becomes events: it writes its history, and the agent, another user, tells it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Literal

import msgspec

from edge_agent.layout import Root
from edge_agent.ota import history
from edge_agent.ota.history import Entry
from firmware_profiles import atomic

Severity = Literal["info", "warning", "error"]
_SEVERITIES: Mapping[str, Severity] = {
    "update_committed": "info",
    "update_rejected": "error",
    "update_failed": "warning",
    "update_unavailable": "warning",
    "update_lost": "error",
}


class UpdatesTold:
    """The history, looked at now and then. What was told is remembered, so that a restart tells nothing twice."""

    def __init__(self, root: Root, tell: Callable[[str, Severity, str], None]) -> None:
        """`tell` gets the name, the severity and the text of an event."""
        self._root = root
        self._memory = root.folder / "var" / "updates-told.json"
        self._tell = tell
        self._seen = 0

    def look(self) -> None:
        """Tell what is new."""
        try:
            written_ns = self._root.history.stat().st_mtime_ns
        except OSError:
            return
        if written_ns == self._seen:
            return
        self._seen = written_ns
        entries = history.read(self._root)
        for entry in entries[self._told(entries) :]:
            if entry.event in _SEVERITIES:
                self._tell(entry.event, _SEVERITIES[entry.event], entry.words or entry.event)
        if entries:
            with contextlib.suppress(OSError):  # told twice is better than not told
                atomic.write_bytes(self._memory, msgspec.json.encode(entries[-1]))

    def _told(self, entries: list[Entry]) -> int:
        """How many were told; all of them where nothing is remembered, since they are from before this agent."""
        try:
            last = msgspec.json.decode(self._memory.read_bytes(), type=Entry)
            return entries.index(last) + 1
        except FileNotFoundError:
            return len(entries)
        except (OSError, ValueError):  # msgspec's errors are, and that of an entry that is there no more
            return 0
