"""What the user gave for all targets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from fleet.flash.certifier import Certifier


class Given(NamedTuple):
    """Options of `godwit flash`.

    Attributes:
        flags: of `edge-agent install`.
        password_file: holds one line, for logins and for sudo.
        wheels: a folder with vendors' wheels.
        certifier: signs certificates of devices; None for no certificates.
    """

    flags: list[str]
    password_file: Path | None = None
    wheels: Path | None = None
    certifier: Certifier | None = None

    @property
    def device(self) -> str:
        """The name that the device is to have; empty where it is its own affair."""
        return self._flag("--device-id")

    @property
    def broker(self) -> str:
        """The URL of its broker; empty where none was given."""
        return self._flag("--broker")

    def _flag(self, name: str) -> str:
        return next((flag.partition("=")[2] for flag in self.flags if flag.startswith(f"{name}=")), "")
