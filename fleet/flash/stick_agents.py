"""The agent on a stick, for devices that have none or an old one: wheels for each kind that it has a bundle for.

```
godwit-bootstrap.pyz          a person types: sudo python3 /media/stick/godwit-bootstrap.pyz
godwit-agent/cp311-aarch64/   wheels and agent.json, as `godwit kit` gathers them
godwit-agent/root.json        whom the device trusts from then on
```
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import msgspec

from firmware_profiles import VERSION
from fleet.agent_kit import gather
from fleet.agent_kit.userland import Userland
from fleet.bootstrap import from_stick
from fleet.flash import scripts


class _Described(msgspec.Struct):
    """Of `agent.json`, the part that matters here."""

    version: str


def is_there(stick: Path, of: Userland) -> bool:
    """Whether the stick has this version of it, and a kit that names its list: one may have been pulled in between."""
    try:
        described = (_folder(stick, of) / gather.CODE).read_bytes()
        sha256 = hashlib.sha256(described).hexdigest()
        named = any(sha256 in path.read_text() for path in (stick / from_stick.KIT).glob("metadata/*.targets.json"))
        return named and msgspec.json.decode(described, type=_Described).version == VERSION
    except (OSError, ValueError):  # msgspec's errors are ValueErrors
        return False


def missing(stick: Path, kits: dict[Userland, Path]) -> dict[Userland, Path]:
    """Those of `kits` that are not on the stick just as they are."""

    def is_same(of: Userland, kit: Path) -> bool:
        try:
            return (_folder(stick, of) / gather.CODE).read_bytes() == (kit / gather.CODE).read_bytes()
        except OSError:
            return False

    return {of: kit for of, kit in kits.items() if not is_same(of, kit)}


def write(stick: Path, kits: dict[Userland, Path], trust_root: Path) -> None:
    """Replace agents on the stick, each whole or not at all.

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
    return stick / from_stick.AGENTS / of.folder
