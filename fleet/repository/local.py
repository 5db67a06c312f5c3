"""A repository of one's own for those who only flash: made on first use, in the user's data folder.

Its keys are not encrypted (mode 0600), since nobody would be asked for a passphrase; whoever reads the user's files
can sign for the devices that were flashed so. A fleet wants one made by `godwit repo init`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.targets import DEFAULT_GROUP, Kit
from fleet.repository import adding, creating, kits, renewing
from fleet.repository.creating import Wanted
from fleet.repository.passphrases import Passphrases
from fleet.repository.places import Places, locked
from fleet.repository.settings import KIT_DAYS, Role
from fleet.repository.signers import Keyring
from fleet.repository.state import State, utc_now

_OF_KITS: tuple[Role, ...] = ("root", "targets")
_A_KITS_LIFE = timedelta(days=KIT_DAYS)


class Local(NamedTuple):
    """The user's own repository.

    Attributes:
        made: whether it was made just now; say so, and where.
    """

    places: Places
    made: bool

    @property
    def trust_root(self) -> Path:
        """What a device that is to trust it starts from."""
        return self.places.metadata / "1.root.json"

    def kit(self, bundles: Sequence[Path], out: Path, group: str = DEFAULT_GROUP) -> Kit:
        """Sign `bundles` for `group`, and write a kit of just what they are for to `out`.

        Raises:
            InputError: something is wrong with them, or with `out`.
        """
        with locked(self.places):
            current = State(self.places)
            keys = Keyring(current.settings.keys, [self.places.keys, self.places.root_keys], Passphrases(()))
            planned = adding.plan(current, bundles, group)
            adding.add(current, keys, planned)
            if old := [role for role in _OF_KITS if getattr(current, role).expires < utc_now() + _A_KITS_LIFE]:
                renewing.renew(current, keys, old)
            profiles = sorted({each.profile for each in planned})
            return kits.write(current, keys, kits.plan(current, profiles, group, None), out)


def local() -> Local:
    """The user's own repository, made on first use in `$XDG_DATA_HOME/godwit/repository`."""
    data = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    folder = Path(data) / "godwit" / "repository"
    places = Places(folder.resolve())
    if places.settings.is_file():
        return Local(places, made=False)
    return Local(creating.create(Wanted(folder, None, None, {}, {})), made=True)
