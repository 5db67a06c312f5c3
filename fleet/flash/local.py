"""The signing repository of this user, for whoever has a bundle and no repository: made at the first flash.

Its keys are encrypted where GODWIT_PASSPHRASE is set, which is then wanted at every flash.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.targets import DEFAULT_GROUP
from fleet.goods import Goods
from fleet.passphrases import VARIABLE, Passphrases
from fleet.repository import adding, creating, kits, renewing
from fleet.repository import lists as listing
from fleet.repository.lists import Listed
from fleet.repository.places import HeldError, Places, locked
from fleet.repository.signers import Keyring
from fleet.repository.state import State

_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.1


def folder() -> Path:
    """Where it lies."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "godwit" / "repository"


def exists() -> bool:
    """Whether it was made."""
    return Places(folder()).settings.is_file()


def make() -> None:
    """Make it.

    Raises:
        UnavailableError: the folder cannot be written.
    """
    try:
        folder().parent.mkdir(parents=True, exist_ok=True)
        creating.create(creating.Wanted(folder(), None, os.environ.get(VARIABLE), {}, {}))
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "set XDG_DATA_HOME to a folder of yours"
        raise UnavailableError(Problem(str(folder()), "a folder to write to", found, step)) from None


def sign(goods: Goods, lists: Sequence[Listed], out: Path, *, code: bool) -> bytes:
    """Add the bundle and agents' lists, and write a kit for its devices to `out`; the root metadata that signs it.

    Raises:
        InputError: the keys cannot be opened.
        UnavailableError: another command holds the repository for too long.
    """
    with held(Places(folder())):
        current, keyring = opened(Places(folder()))
        adding.add(current, keyring, adding.plan(current, [goods.bundle], DEFAULT_GROUP))
        listing.add(*opened(Places(folder())), lists)
        current, keyring = opened(Places(folder()))
        renewing.renew_for_kits(current, keyring)
        return write_kit(current, keyring, goods.manifest.profiles[:1], out, code=code)


def opened(places: Places) -> tuple[State, Keyring]:
    """What a repository says, and its keys."""
    current = State(places)
    return current, Keyring(current.settings.keys, [places.keys, places.root_keys], Passphrases([]))


def write_kit(current: State, keyring: Keyring, profiles: list[str], out: Path, *, code: bool) -> bytes:
    """Write a kit for devices of these profiles, of all if there is none; the root metadata that signs it.

    Args:
        code: with the agent's own code for updaters.
    """
    kits.write(current, keyring, kits.plan(current, profiles, None, None, code=code), out)
    return (current.places.metadata / "1.root.json").read_bytes()


@contextlib.contextmanager
def held(places: Places) -> Iterator[None]:
    """Another flash holds it for less than a second: wait for that."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(locked(places))
            except HeldError:
                if time.monotonic() > until:
                    raise
                time.sleep(_LOOK_EVERY_S)
                continue
            yield
            return
