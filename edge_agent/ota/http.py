"""A repository over HTTP or HTTPS."""

from __future__ import annotations

from pathlib import Path


class HttpCarrier:
    """Reads from a URL below which `metadata/` and `targets/` lie."""

    is_network = True

    def __init__(self, url: str, ca: Path | None = None) -> None:
        self.url = url
        self.ca = ca

    def metadata(self, name: str, limit_bytes: int) -> bytes | None:
        """As in `Carrier`."""
        raise NotImplementedError

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        """As in `Carrier`."""
        raise NotImplementedError
