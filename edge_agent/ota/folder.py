"""A repository or kit in a folder: a stick, or what flash brought."""

from __future__ import annotations

from pathlib import Path


class FolderCarrier:
    """Reads from a folder that holds `metadata/` and `targets/`."""

    is_network = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def metadata(self, name: str, limit_bytes: int) -> bytes | None:
        """As in `Carrier`."""
        raise NotImplementedError

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        """As in `Carrier`."""
        raise NotImplementedError
