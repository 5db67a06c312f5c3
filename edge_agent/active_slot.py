"""`slots/active`, looked at now and then: does it name another deployment than before?"""

from __future__ import annotations

from edge_agent.layout import Root
from firmware_profiles.manifest import MANIFEST_NAME

_Signature = tuple[str, int, int, int]


class ActiveSlot:
    """The link."""

    def __init__(self, root: Root) -> None:
        self._root = root
        self._seen: _Signature | None = None

    def changed(self) -> bool:
        """Whether it names another deployment than at the last call, also one that was put in the same slot."""
        before, self._seen = self._seen, self._signature()
        return self._seen != before

    def forget(self) -> None:
        """What it names is to be news again."""
        self._seen = None

    def _signature(self) -> _Signature:
        slot = self._root.active_slot()
        try:
            status = (self._root.slots / slot / MANIFEST_NAME).stat()
        except OSError:
            return (slot, 0, 0, 0)
        return (slot, status.st_ino, status.st_size, status.st_mtime_ns)
