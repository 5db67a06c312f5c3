"""The device root: where everything lies, and how the active deployment is switched.

```
ROOT/etc/agent.toml     the device's own configuration; written once, never touched by updates
ROOT/slots/a, b         unpacked deployments
ROOT/slots/active       symbolic link to one of them; replaced by one atomic rename
ROOT/slots/proven       symbolic link to the one that did well; where a lost update rolls back to
ROOT/trust/             signed metadata, and what is known of the time
ROOT/update/            what the updater is at, was at, and will not try again; what it fetches
ROOT/update/identity/   the device's own key and certificate
ROOT/agent/             the agent's own code, in slots as well
ROOT/var/spool.db       what waits to be acknowledged
ROOT/var/http-token     the agent's own, where HTTP listens beyond this machine and nobody chose one
ROOT/var/cache/         what runtimes keep to load faster
ROOT/run/               status.json, health.json and the lock of the running agent; its request for an update, and
                        the certificate that came for it
```

`slots`, `trust`, `update` and `agent` belong to the updater's user, and all others can only read them; `var` and
`run` belong to the agent's. The updater's group can write in `run`, since it removes the request.
"""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, NamedTuple

from firmware_profiles import atomic
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
        return self.update / "identity"

    @property
    def certificate_request(self) -> Path:
        """What is to be said to who signs; there while it is not answered."""
        return self.identity / "next" / "request.json"

    @property
    def certificate_come(self) -> Path:
        """Left by the agent: a certificate that the broker brought."""
        return self.folder / "run" / "certificate.pem"

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
    def http_token(self) -> Path:
        """The token that the agent made itself."""
        return self.folder / "var" / "http-token"

    @property
    def announced(self) -> Path:
        """What Home Assistant was ever told of."""
        return self.folder / "var" / "homeassistant.json"

    @property
    def session(self) -> Path:
        """What the broker's session is subscribed to."""
        return self.folder / "var" / "session.json"

    @property
    def received(self) -> Path:
        """What comes in over a serial line, until it is installed."""
        return self.folder / "update" / "received"

    @property
    def status(self) -> Path:
        """What the running agent says about itself."""
        return self.folder / "run" / "status.json"

    @property
    def health(self) -> Path:
        """What the running agent says about the deployment that `slots/active` names, for the updater."""
        return self.folder / "run" / "health.json"

    @property
    def request(self) -> Path:
        """Left by the agent: the updater is to look for an update now."""
        return self.folder / "run" / "request"

    @property
    def asked(self) -> Path:
        """In place of that request, which the updater's unit took away unread."""
        return self.update / "asked"

    @property
    def trust(self) -> Path:
        """Signed metadata, and what is known of the time."""
        return self.folder / "trust"

    @property
    def update(self) -> Path:
        """The updater's own folder."""
        return self.folder / "update"

    @property
    def journal(self) -> Path:
        """What the updater is at."""
        return self.update / "journal.json"

    @property
    def history(self) -> Path:
        """What became of every update."""
        return self.update / "history.jsonl"

    @property
    def rejected(self) -> Path:
        """Versions that are not tried again."""
        return self.update / "rejected.json"

    @property
    def download(self) -> Path:
        """What was fetched, perhaps in part."""
        return self.update / "download"

    @property
    def agent_code(self) -> Path:
        """The agent's own code, in slots."""
        return self.folder / "agent"

    @property
    def starts(self) -> Path:
        """What the launcher counts."""
        return self.folder / "var" / "starts.json"

    def make(self) -> None:
        """Create the folders that are missing, durably."""
        for name in ("etc", "slots", "trust", "update", "update/download", "var", "run"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for folder in (self.folder.parent, self.folder, self.update):
            atomic.sync_folder(folder)

    def active_slot(self) -> str:
        """Name of the active slot; empty before the first installation."""
        return str(self.active.readlink()) if self.active.is_symlink() else ""

    def active_agent_slot(self) -> str:
        """Name of the slot that holds the agent's own code; empty where no launcher starts it."""
        link = self.agent_code / "active"
        return str(link.readlink()) if link.is_symlink() else ""

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
