"""`godwit repo init`: keys, roles, and the first version of everything."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec
from securesystemslib.signer import Signer
from tuf.api.metadata import MetaFile, Root, Snapshot, Targets, Timestamp

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem
from fleet.repository import settings, signers, state
from fleet.repository.places import Places, told
from fleet.repository.settings import DEFAULT_DAYS, ROLES, Role, Settings

_SHARED: dict[Role, str] = {"root": "root", "targets": "targets", "snapshot": "online", "timestamp": "online"}
_ALONE = (1, 1)


class Wanted(msgspec.Struct, frozen=True):
    """What a new repository is to be.

    Attributes:
        root_keys: where the private keys of the root role go; None for its own folder.
        passphrase: of the new private keys; None for none.
        signed_by: of roles that have more than one key: how many of how many must sign.
        expires_days: as declared, over the defaults.
    """

    folder: Path
    root_keys: Path | None
    passphrase: str | None
    signed_by: Mapping[Role, tuple[int, int]]
    expires_days: Mapping[Role, int]


def check(folder: Path) -> Places:
    """Where a new repository will lie.

    Raises:
        InputError: there is something already.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        step = "name a new folder"
        raise InputError(Problem(str(folder), "an empty or new folder", "files in it", step))
    return Places(folder.resolve())


def create(wanted: Wanted) -> Places:
    """Make the repository; what is cut off before its end leaves none.

    Raises:
        InputError: there is something already.
        UnavailableError: it cannot be written.
    """
    places = check(wanted.folder)
    with told(wanted.folder):
        places.metadata.mkdir(parents=True)
        places.targets.mkdir()
        try:
            _fill(places, wanted)
        except BaseException:
            shutil.rmtree(places.folder)
            raise
    return places


def _fill(places: Places, wanted: Wanted) -> None:
    made = _make_keys(places, wanted)
    root = Root(consistent_snapshot=True)
    for role in ROLES:
        for _, signer in made[role]:
            root.add_key(signer.public_key, role)
        root.roles[role].threshold, _ = wanted.signed_by.get(role, _ALONE)
    days = {**DEFAULT_DAYS, **wanted.expires_days}
    first = {"root": root, "targets": Targets(), "snapshot": Snapshot(), "timestamp": Timestamp()}
    first["snapshot"].meta = {"targets.json": MetaFile(1)}  # type: ignore[attr-defined]
    raw = {}
    for role in ROLES:
        state.stamp(first[role], days[role])  # type: ignore[arg-type]
        raw[role] = state.sign(first[role], [signer for _, signer in made[role]])  # type: ignore[arg-type]
        name = "timestamp.json" if role == "timestamp" else f"1.{role}.json"
        atomic.write_bytes(places.metadata / name, raw[role])
    uris = {signer.public_key.keyid: uri for each in made.values() for uri, signer in each}
    settings.save(places, Settings(1, days, uris, {1: hashlib.sha256(raw["root"]).hexdigest()}, 1))


def _make_keys(places: Places, wanted: Wanted) -> dict[Role, list[tuple[str, Signer]]]:
    """One key for snapshot and timestamp, which are signed together and often; one each for the others."""
    made: dict[Role, list[tuple[str, Signer]]] = {}
    by_name: dict[str, list[tuple[str, Signer]]] = {}
    for role in ROLES:
        folder = (wanted.root_keys or places.root_keys) if role == "root" else places.keys
        keys = by_name.setdefault(_SHARED[role], [])
        _, count = wanted.signed_by.get(role, _ALONE)
        while len(keys) < count:
            keys.append(signers.generate(folder, _SHARED[role], wanted.passphrase))
        made[role] = keys[:count]
    return made
