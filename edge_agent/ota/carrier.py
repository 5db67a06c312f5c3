"""How metadata and targets come to a device: from a folder or over HTTP, by one interface."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

MAX_ROOT_BYTES = 512_000
MAX_TIMESTAMP_BYTES = 16_384
MAX_SNAPSHOT_BYTES = 2_000_000
MAX_TARGETS_BYTES = 5_000_000


class Carrier(Protocol):
    """One repository or kit; it decides nothing about trust.

    Attributes:
        is_network: whether others may stand between; then a kit's long-lived timestamp is not taken.
    """

    is_network: bool

    def metadata(self, name: str, limit_bytes: int) -> bytes | None:
        """The file `metadata/NAME`; None if the repository has none.

        Raises:
            UnavailableError: it could not be had, or is larger than `limit_bytes`.
        """
        ...

    def fetch(self, path: str, size_bytes: int, into: Path) -> None:
        """Bring the file `path` (as `targets/…`) into `into`, going on after what is already there.

        When it returns, `into` has `size_bytes`; whether they are the right ones is for the caller to tell. After
        an error `into` keeps what came, and the next call goes on there.

        Raises:
            UnavailableError: it could not be had, or has another size.
        """
        ...
