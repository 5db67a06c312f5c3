"""The folder that goes to a device: the signed kit, the agent's wheels, and what brings about its installation."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import InputError, Problem
from fleet.agent_kit import gather, userland
from fleet.flash import scripts
from fleet.flash.road import Facts
from fleet.flash.sources import KIT, TRUST_ROOT, Source
from fleet.goods import Goods
from fleet.repository.lists import Listed


class Order(NamedTuple):
    """What is to be done with it there.

    Attributes:
        service: systemd is to run the agent.
        flags: of `edge-agent install`.
        certificate: the device is to ask for one, and await it.
    """

    root: str
    service: bool
    flags: list[str]
    certificate: bool = False


_UNPACKED = 4
"""What a wheel needs unpacked, and compiled, for each of its bytes: numpy's and litert's shrink to a third."""


def agent(source: Source, goods: Goods, facts: Facts, where: str, say: Callable[[str], None]) -> Path | None:
    """The folder with the agent's wheels for that device; None where the source has none.

    Raises:
        GodwitError: there are none.
    """
    there = userland.checked(facts.python, facts.arch, facts.glibc, where)
    return source.agent([goods], there, say)


def no_agent(source: Source, facts: Facts, where: str) -> Iterator[Problem]:
    """What stands against a device without an agent, where the source brings none for it."""
    try:
        there = userland.checked(facts.python, facts.arch, facts.glibc, where)
    except InputError:  # told by the plan, or by who gathers
        return
    if not facts.agent_sha256 and not source.brings(there):
        step = f"ask for one with it: godwit repo kit OUT --with-agent --python {there.python}"
        expected = f"a kit with the agent for Python {there.python} on {there.arch}, which is not there yet"
        yield Problem(where, expected, "one without", step)


def stamp(wheels: Path) -> str:
    """By what a device knows that it has this agent already."""
    return hashlib.sha256((wheels / gather.CODE).read_bytes()).hexdigest()


def pack(folder: Path, goods: Goods, source: Source, wheels: Path | None, order: Order) -> int:
    """Fill `folder`; the bytes that it takes on the device, unpacked.

    Args:
        wheels: the agent's, which is to come along.
    """
    name = goods.manifest.profiles[0]
    source.write(goods, folder, [Listed(wheels / gather.CODE, [name])] if wheels else [], code=False)
    (folder / scripts.ZIPAPP).write_bytes(scripts.zipapp())
    told = {
        "root": order.root,
        "service": order.service,
        "kit": KIT,
        "trust_root": TRUST_ROOT,
        "install": ["--profile", name, *order.flags],
        "certificate": order.certificate,
    }
    (folder / "order.json").write_text(json.dumps(told))
    needed = 2 * goods.size_bytes
    if wheels:
        shutil.copytree(wheels, folder / "agent", ignore=shutil.ignore_patterns(gather.DESCRIPTION))
        needed += (1 + _UNPACKED) * gather.size_bytes(wheels)
    return needed
