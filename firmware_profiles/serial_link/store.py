"""Where the device's end keeps a transfer: what it asks of a disk."""

from __future__ import annotations

from typing import Protocol

from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.contents import Contents
from firmware_profiles.serial_link.said import Said


class Store(Protocol):
    """Where a transfer lies on the device."""

    def known(self, sha256: bytes) -> tuple[Contents, Bitmap] | None:
        """The transfer that is there, if it is this one; it is held until `release`.

        Raises:
            GodwitError: another receiver holds it.
        """

    def begin(self, listed: bytes, contents: Contents) -> Bitmap:
        """Make room for this transfer, in place of any other one; what the other brought already has arrived.

        Raises:
            GodwitError: it cannot be kept.
        """

    def write(self, file: int, offset_bytes: int, content: bytes) -> None:
        """Keep a piece of a file.

        Raises:
            GodwitError: it cannot be kept.
        """

    def arrived(self, bitmap: Bitmap) -> None:
        """These pieces were written: keep that too, now or with later ones."""

    def finish(self) -> None:
        """Begin to check every hash and to install."""

    def finishing(self) -> str | Said | list[int]:
        """What is being done, or how it ended, or the files whose hash differs; after these, it is done."""

    def release(self) -> None:
        """Keep what has arrived, and let others have the store."""
