"""The agent on a stick, for devices that have none or an old one: wheels for each kind that it has a bundle for.

```
godwit-bootstrap.pyz          a person types: sudo python3 /media/stick/godwit-bootstrap.pyz
godwit-agent/cp311-aarch64/   wheels and agent.json, as `godwit kit` gathers them
godwit-agent/root.json        whom the device trusts from then on
```
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from firmware_profiles import VERSION
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit import gather, userland, wanted
from fleet.agent_kit.userland import Userland
from fleet.bootstrap import from_stick
from fleet.flash import scripts
from fleet.flash.goods import Goods


class _Described(msgspec.Struct):
    """Of `agent.json`, the part that matters here."""

    version: str


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


def is_there(stick: Path, of: Userland) -> bool:
    """Whether the stick has this version of it."""
    try:
        described = (_folder(stick, of) / gather.CODE).read_bytes()
        return msgspec.json.decode(described, type=_Described).version == VERSION
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return False


def gathered(of: Userland, everything: list[Goods], vendor: Path | None, say: Callable[[str], None]) -> Path:
    """The wheels for the runtimes that these bundles were proved on.

    Args:
        vendor: a folder with vendors' wheels.

    Raises:
        GodwitError: there are none.
    """
    claims = [claim for goods in everything for model in goods.manifest.models for claim in model.runtimes]
    rows = [RuntimeRow(claim.runtime, claim.delegate, []) for claim in claims]
    packages = sorted({package for goods in everything if goods.profile for package in goods.profile.os.packages})
    return gather.gather(wanted.want(rows, of, wanted.vendor_wheels(vendor, of)), of, packages, say)


def write(stick: Path, kits: dict[Userland, Path], trust_root: Path) -> None:
    """Replace the agents on the stick, each whole or not at all.

    Raises:
        OSError: the stick cannot be written.
    """
    home = stick / from_stick.AGENTS
    home.mkdir(exist_ok=True)
    for of, kit in kits.items():
        folder = _folder(stick, of)
        making = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(making, ignore_errors=True)
        try:
            ignore = shutil.ignore_patterns(gather.DESCRIPTION)
            shutil.copytree(kit, making, ignore=ignore, copy_function=shutil.copyfile)
            shutil.rmtree(folder, ignore_errors=True)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    shutil.copyfile(trust_root, home / from_stick.TRUST_ROOT)
    (stick / scripts.ZIPAPP).write_bytes(scripts.zipapp())


def _folder(stick: Path, of: Userland) -> Path:
    return stick / from_stick.AGENTS / f"{of.tag}-{of.arch}"
