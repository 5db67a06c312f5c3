"""The device root: where everything lies, and how the active deployment is switched.

```
ROOT/etc/agent.toml     the device's own configuration; written once, never touched by updates
ROOT/etc/identity/      the device's own key and certificate
ROOT/slots/a, b         unpacked deployments
ROOT/slots/active       symbolic link to one of them; replaced by one atomic rename
ROOT/var/spool.db       what waits to be acknowledged
ROOT/var/cache/         what runtimes keep to load faster
ROOT/run/               status.json and the lock of the running agent
```
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, NamedTuple

from firmware_profiles.errors import InputError, Problem

SLOTS = ("a", "b")


class Root(NamedTuple):
    """A device root."""

    folder: Path

    @property
    def config(self) -> Path:
        """The device's configuration."""
        return self.folder / "etc" / "agent.toml"

    @property
    def identity(self) -> Path:
        """The device's own key and certificate."""
        return self.folder / "etc" / "identity"

    @property
    def slots(self) -> Path:
        """The folder of the slots."""
        return self.folder / "slots"

    @property
    def active(self) -> Path:
        """The link to the active slot."""
        return self.slots / "active"

    @property
    def spool(self) -> Path:
        """The durable outbox."""
        return self.folder / "var" / "spool.db"

    @property
    def cache(self) -> Path:
        """What runtimes keep to load faster; it may be deleted at any time."""
        return self.folder / "var" / "cache"

    @property
    def announced(self) -> Path:
        """What Home Assistant was ever told of."""
        return self.folder / "var" / "homeassistant.json"

    @property
    def session(self) -> Path:
        """What the broker's session is subscribed to."""
        return self.folder / "var" / "session.json"

    @property
    def status(self) -> Path:
        """What the running agent says about itself."""
        return self.folder / "run" / "status.json"

    def make(self) -> None:
        """Create the folders that are missing."""
        for name in ("etc", "slots", "var", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def active_slot(self) -> str:
        """Name of the active slot; empty before the first installation."""
        return str(self.active.readlink()) if self.active.is_symlink() else ""

    def idle_slot(self) -> Path:
        """The slot that is not active."""
        return self.slots / next(slot for slot in SLOTS if slot != self.active_slot())

    def lock(self) -> IO[bytes] | None:
        """The lock that a running agent holds until it ends; None if another one holds it."""
        stream = (self.folder / "run" / "lock").open("ab")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.close()
            return None
        return stream


def existing(folder: Path) -> Root:
    """The device root at `folder`.

    Raises:
        InputError: nothing was installed there.
    """
    root = Root(folder.resolve())
    if not root.active.is_symlink():
        step = "run edge-agent install BUNDLE --root there"
        raise InputError(Problem(str(folder), "a device root", "no installed deployment", step))
    (root.folder / "run").mkdir(exist_ok=True)
    return root
