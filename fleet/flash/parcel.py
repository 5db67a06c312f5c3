"""The folder that goes to a device: the signed kit, the agent's wheels, and what brings about its installation."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit import gather, userland, wanted
from fleet.flash import scripts
from fleet.flash.goods import Goods
from fleet.flash.road import Facts
from fleet.flash.sources import KIT, TRUST_ROOT, Source


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

_gathering = threading.Lock()  # several targets of one kind: one of them gathers


def agent_kit(goods: Goods, facts: Facts, where: str, wheels: Path | None, say: Callable[[str], None]) -> Path:
    """The wheels for the runtimes that the bundle was proved on, gathered for that device.

    Args:
        wheels: a folder with vendors' wheels.

    Raises:
        GodwitError: there are none.
    """
    there = userland.checked(facts.python, facts.arch, facts.glibc, where)
    claims = [claim for model in goods.manifest.models for claim in model.runtimes]
    rows = [RuntimeRow(claim.runtime, claim.delegate, []) for claim in claims]
    vendor = wanted.vendor_wheels(wheels, there)
    packages = goods.profile.os.packages if goods.profile else []
    with _gathering:
        return gather.gather(wanted.want(rows, there, vendor), there, packages, say)


def stamp(kit: Path) -> str:
    """By what a device knows that it has this kit already."""
    return hashlib.sha256((kit / gather.CODE).read_bytes()).hexdigest()


def pack(folder: Path, goods: Goods, source: Source, kit: Path | None, order: Order) -> int:
    """Fill `folder`; the bytes that it takes on the device, unpacked."""
    source.write(goods, folder)
    (folder / scripts.ZIPAPP).write_bytes(scripts.zipapp())
    install = [KIT, "--trust-root", TRUST_ROOT, "--profile", goods.manifest.profiles[0], *order.flags]
    told = {"root": order.root, "service": order.service, "install": install, "certificate": order.certificate}
    (folder / "order.json").write_text(json.dumps(told))
    needed = 2 * goods.size_bytes
    if kit:
        shutil.copytree(kit, folder / "agent", ignore=shutil.ignore_patterns(gather.DESCRIPTION))
        needed += (1 + _UNPACKED) * gather.read(kit).size_bytes
    return needed
