"""The agent that bundles need: for which devices, and the wheels for the runtimes that they were proved on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit import gather, userland, wanted
from fleet.agent_kit.userland import Userland
from fleet.goods import Goods

_gathering = threading.Lock()  # several targets of one kind: one of them gathers


def users(everything: Iterable[Goods], python: str | None) -> tuple[dict[Userland, list[Goods]], list[str]]:
    """For whom the agent is to be brought, with their bundles; and in words for whom it cannot be.

    Args:
        python: of all of them; None for that of their profiles.
    """
    found: dict[Userland, list[Goods]] = {}
    remarks = []
    for goods in everything:
        name = goods.manifest.profiles[0]
        try:
            if goods.profile is None:
                raise InputError(Problem(name, "a profile of Godwit's", "one of your own", "such devices must have it"))
            found.setdefault(userland.of(goods.profile, python), []).append(goods)
        except InputError as error:
            remarks += [f"no agent comes along: {problem}" for problem in error.problems]
    return found, list(dict.fromkeys(remarks))


def gathered(everything: Sequence[Goods], of: Userland, vendor: Path | None, say: Callable[[str], None]) -> Path:
    """The folder of the wheels, and of what they are.

    Args:
        vendor: a folder with vendors' wheels.

    Raises:
        GodwitError: there are none.
    """
    claims = [claim for goods in everything for model in goods.manifest.models for claim in model.runtimes]
    rows = [RuntimeRow(claim.runtime, claim.delegate, []) for claim in claims]
    packages = sorted({package for goods in everything if goods.profile for package in goods.profile.os.packages})
    want = wanted.want(rows, of, wanted.vendor_wheels(vendor, of))
    with _gathering:
        return gather.gather(want, of, packages, say)


def profiles(everything: Iterable[Goods]) -> list[str]:
    """Whose they are."""
    return sorted({goods.manifest.profiles[0] for goods in everything})
