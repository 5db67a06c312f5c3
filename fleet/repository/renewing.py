"""`godwit repo sign`: the same content, with a new life."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta

import msgspec
from tuf.api.metadata import Root

from firmware_profiles.targets import Note
from fleet.repository import rooting, settings, state
from fleet.repository.settings import Role
from fleet.repository.signers import Keyring
from fleet.repository.state import State


def declare(current: State, expires_days: Mapping[Role, int]) -> None:
    """Declare how long roles live from their next signing on."""
    days = {**current.settings.expires_days, **expires_days}
    current.settings = msgspec.structs.replace(current.settings, expires_days=days)
    settings.save(current.places, current.settings)


def renew(current: State, keys: Keyring, roles: Collection[Role], *, reset: bool = False) -> list[str]:
    """Sign the metadata of `roles` again, and what names it.

    Args:
        reset: the new root tells every device to take the time of its signing for now, and is a way back for
            those that lost the chain of roots.

    Returns:
        Names of the files that were written.

    Raises:
        InputError: keys are missing; nothing is written then.
    """
    others = [role for role in roles if role != "root"]
    if "root" in roles or reset:
        note = Note(reset=state.utc_now()) if reset else None
        return rooting.publish(current, keys, _nothing, {}, note, others)
    return state.publish(current, keys, others)


def renew_for_kits(current: State, keys: Keyring) -> list[str]:
    """Sign root and targets again where they would end before a kit that is made now; say what was written.

    Raises:
        InputError: keys are missing; nothing is written then.
    """
    needed = state.utc_now() + timedelta(days=settings.KIT_DAYS)
    roles: tuple[Role, ...] = ("root", "targets")
    old = [role for role in roles if getattr(current, role).expires < needed]
    return renew(current, keys, old) if old else []


def _nothing(_root: Root) -> None:
    """An edit that changes no key."""
