"""The folder that goes to a device: the bundle, the agent's wheels, and what brings about its installation."""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit import gather, userland, wanted
from fleet.agent_kit.userland import Userland
from fleet.flash import scripts
from fleet.flash.goods import Goods
from fleet.flash.road import Facts

_UNPACKED = 4
"""What a wheel needs unpacked, and compiled, for each of its bytes: numpy's and litert's shrink to a third."""

_gathering = threading.Lock()  # several targets of one kind: one of them gathers


def agent_kit(goods: Goods, facts: Facts, where: str, say: Callable[[str], None]) -> Path:
    """The wheels for the runtimes that the bundle was proved on, gathered for that device.

    Raises:
        GodwitError: there are none.
    """
    there = userland.checked(Userland(facts.python, facts.arch, facts.glibc), where)
    claims = [claim for model in goods.manifest.models for claim in model.runtimes]
    rows = [RuntimeRow(claim.runtime, claim.delegate, []) for claim in claims]
    vendor = wanted.vendor_wheels(goods.wheels, there)
    packages = goods.profile.os.packages if goods.profile else []
    with _gathering:
        return gather.gather(wanted.want(rows, there, vendor), there, packages, say)


def stamp(kit: Path) -> str:
    """By what a device knows that it has this kit already."""
    return hashlib.sha256((kit / gather.DESCRIPTION).read_bytes() + kit.name.encode()).hexdigest()


def pack(folder: Path, goods: Goods, kit: Path | None, root: str, service: bool) -> int:
    """Fill `folder`; the bytes that it takes on the device, unpacked."""
    shutil.copyfile(goods.bundle, folder / goods.bundle.name)
    (folder / scripts.ZIPAPP).write_bytes(scripts.zipapp())
    order = {
        "root": root,
        "service": service,
        "agent": stamp(kit) if kit else "",
        "install": [goods.bundle.name],
        "flags": goods.flags,
    }
    (folder / "order.json").write_text(json.dumps(order))
    needed = 2 * goods.size_bytes
    if kit:
        shutil.copytree(kit, folder / "agent", ignore=shutil.ignore_patterns(gather.DESCRIPTION))
        needed += (1 + _UNPACKED) * gather.read(kit).size_bytes
    return needed
