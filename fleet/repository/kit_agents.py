"""The agent in a kit: for devices that have none, when they are flashed by somebody who has no key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.targets import target_path
from fleet import goods
from fleet.agent_kit import for_bundles, gather
from fleet.agent_kit.userland import Userland
from fleet.goods import Goods
from fleet.repository.adding import ours
from fleet.repository.kits import Planned
from fleet.repository.lists import Listed
from fleet.repository.state import State

Users = dict[Userland, list[Goods]]
"""For whom the agent comes, with the bundles of the kit."""


def users(current: State, planned: Planned, python: str | None) -> Users:
    """Whose agent the kit will have.

    Args:
        python: of all devices; None for that of their profiles.

    Raises:
        InputError: for one of the profiles there can be none.
    """
    everything = [
        goods.read(current.places.public / target_path(target.path, target.hashes["sha256"]))
        for target, custom in ours(current.targets)
        if custom.kind == "deployment" and target.path in planned.targets
    ]
    found, remarks = for_bundles.users(everything, python)
    if remarks or not found:
        step = "name the devices that the kit is for: --device PROFILE"
        raise InputError(Problem("--with-agent", "profiles of devices that run it", "; ".join(remarks) or "none", step))
    return found


def gathered(found: Users, wheels: Path | None, say: Callable[[str], None]) -> dict[Userland, Path]:
    """The folders with their wheels.

    Args:
        wheels: a folder with vendors' wheels.

    Raises:
        GodwitError: there are none.
    """
    return {of: for_bundles.gathered(everything, of, wheels, say) for of, everything in found.items()}


def lists(found: Users, folders: dict[Userland, Path]) -> list[Listed]:
    """What is to be signed."""
    return [Listed(folders[of] / gather.CODE, for_bundles.profiles(everything)) for of, everything in found.items()]
