"""Where a signed repository lies on its operator's machine.

```
DIR/public/metadata/    N.root.json, N.targets.json, N.snapshot.json, timestamp.json, reset.json
DIR/public/targets/     GROUP/HASH.NAME: bundles and their transports
DIR/settings.json       how long each role is valid, and where the private key of each key id is; no secrets
DIR/keys/               private keys that every `add` needs: of the roles targets, snapshot and timestamp
DIR/root-keys/          private keys of the role root, until they are carried to a safe place
DIR/next-root.json      the newest root, so that one whose publication was cut off is published after all
DIR/lock                held by the command that changes something
```

`public` alone is what a web server, an object store or a stick carries.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import InputError, Problem, UnavailableError


class Places(NamedTuple):
    """The folder of a repository."""

    folder: Path

    @property
    def public(self) -> Path:
        """What is published."""
        return self.folder / "public"

    @property
    def metadata(self) -> Path:
        """Signed metadata."""
        return self.public / "metadata"

    @property
    def targets(self) -> Path:
        """Bundles and transports."""
        return self.public / "targets"

    @property
    def settings(self) -> Path:
        """What is declared of roles and keys."""
        return self.folder / "settings.json"

    @property
    def keys(self) -> Path:
        """Private keys for daily use."""
        return self.folder / "keys"

    @property
    def root_keys(self) -> Path:
        """Private keys of the root role, as long as they are here."""
        return self.folder / "root-keys"

    @property
    def next_root(self) -> Path:
        """The newest root, before it is published and after."""
        return self.folder / "next-root.json"


def existing(folder: Path) -> Places:
    """The repository at `folder`.

    Raises:
        InputError: there is none.
    """
    places = Places(folder.resolve())
    if not places.settings.is_file():
        step = "run godwit repo init there, or check the path"
        raise InputError(Problem(str(folder), "a repository", "none", step))
    return places


class HeldError(UnavailableError):
    """Another command holds the repository."""


@contextlib.contextmanager
def locked(places: Places) -> Iterator[None]:
    """Hold the repository alone.

    Raises:
        HeldError: another command holds it.
        UnavailableError: something in the block could not be read or written.
    """
    with told(places.folder), (places.folder / "lock").open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            stream.seek(0)
            found = f"it held by process {stream.read(20).strip() or 'unknown'}"
            raise HeldError(Problem(str(places.folder), "the repository free", found, "wait for it")) from None
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Tell in our own words what the system refuses in the block.

    Raises:
        UnavailableError: a file could not be read or written.
    """
    try:
        yield
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "check its rights and its free space; nothing was changed"
        raise UnavailableError(Problem(str(error.filename or folder), "a file to read or write", found, step)) from None
