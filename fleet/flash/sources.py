"""Where what is flashed comes from: a bundle, a signed repository, or a kit. Devices get a signed kit in any case."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from tuf.api.metadata import Metadata, Targets

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.targets import KIT_FILE
from fleet import goods
from fleet.agent_kit import for_bundles, gather
from fleet.agent_kit.userland import Userland
from fleet.flash import local, offered
from fleet.goods import Goods
from fleet.repository import kits
from fleet.repository import lists as listing
from fleet.repository.lists import Listed
from fleet.repository.places import Places

KIT, TRUST_ROOT = "kit", "root.json"
_METADATA = "metadata"


class Source(Protocol):
    """Something that can be flashed."""

    def choose(self, arch: str, board: str) -> Goods:
        """What a device of that userland and that board gets.

        Raises:
            InputError: there is nothing for it.
            BundleError: it is damaged.
        """

    def everything(self) -> list[Goods]:
        """All that it has for any device, at least one.

        Raises:
            InputError: it has nothing.
            BundleError: something is damaged.
        """

    def brings(self, of: Userland) -> bool:
        """Whether it has the agent for such a device."""

    def agent(self, everything: Sequence[Goods], of: Userland, say: Callable[[str], None]) -> Path | None:
        """The folder with the agent's wheels for these bundles on such a device; None where it has none.

        Raises:
            GodwitError: they cannot be had.
        """

    def write(self, chosen: Goods | None, folder: Path, lists: Sequence[Listed], *, code: bool) -> None:
        """Write `folder`/kit with what was chosen, or everything, and `folder`/root.json, by which a device trusts it.

        Args:
            lists: of agents that go along; they are signed in the kit.
            code: whether the agent's own code for updaters, where there is some, goes along in it, too.

        Raises:
            GodwitError: it cannot be signed, or copied.
        """


def read(path: Path, wheels: Path | None, say: Callable[[str], None]) -> Source:
    """The source at `path`.

    Args:
        wheels: a folder with vendors' wheels.

    Raises:
        InputError: it is none, or signed with other wheels.
        BundleError: it is a damaged bundle.
    """
    if not path.is_dir():
        return OfBundle(path, wheels, say)
    if (path / "settings.json").is_file():
        return OfRepository(path, wheels, say)
    if (path / KIT_FILE).is_file():
        if wheels:
            step = "leave it out; who signs the kit says it: godwit repo kit --with-agent --wheels DIR"
            raise InputError(Problem("--wheels", "a bundle or a repository that is signed here", "a kit", step))
        return OfKit(path)
    step = "name a .godwit file, the folder of godwit repo init, or that of godwit repo kit"
    raise InputError(Problem(str(path), "a bundle, a repository or a kit", "another folder", step))


class _Gathering:
    """What signs here has the agent of this machine's Godwit, for any device."""

    def __init__(self, wheels: Path | None, say: Callable[[str], None]) -> None:
        self._wheels = wheels
        self._say = say

    def brings(self, of: Userland) -> bool:
        """See `Source`."""
        return True

    def agent(self, everything: Sequence[Goods], of: Userland, say: Callable[[str], None]) -> Path | None:
        """See `Source`."""
        return for_bundles.gathered(everything, of, self._wheels, say)


class OfBundle(_Gathering):
    """One bundle, signed by this user's own repository."""

    def __init__(self, path: Path, wheels: Path | None, say: Callable[[str], None]) -> None:
        super().__init__(wheels, say)
        self._goods = goods.read(path)
        self._one_at_a_time = threading.Lock()

    def choose(self, arch: str, board: str) -> Goods:
        """See `Source`; whether it fits is for the plan to say."""
        return self._goods

    def everything(self) -> list[Goods]:
        """See `Source`."""
        return [self._goods]

    def write(self, chosen: Goods | None, folder: Path, lists: Sequence[Listed], *, code: bool) -> None:
        """See `Source`."""
        with self._one_at_a_time:
            if not local.exists():
                local.make()
                self._say(
                    f"made {local.folder()}: it signs what you flash; keep it, devices trust no other from now on"
                )
            (folder / TRUST_ROOT).write_bytes(local.sign(chosen or self._goods, lists, folder / KIT, code=code))


class OfRepository(_Gathering):
    """A repository of one's own, whose keys are here."""

    def __init__(self, path: Path, wheels: Path | None, say: Callable[[str], None]) -> None:
        super().__init__(wheels, say)
        self._places = Places(path.resolve())
        self._one_at_a_time = threading.Lock()
        self._current, self._keyring = local.opened(self._places)

    def choose(self, arch: str, board: str) -> Goods:
        """See `Source`."""
        return offered.chosen(self._current.targets, self._places.public, arch, board)

    def everything(self) -> list[Goods]:
        """See `Source`."""
        return offered.everything(self._current.targets, self._places.public)

    def write(self, chosen: Goods | None, folder: Path, lists: Sequence[Listed], *, code: bool) -> None:
        """See `Source`."""
        profiles = [chosen.manifest.profiles[0]] if chosen else []
        with self._one_at_a_time, local.held(self._places):
            self._current, self._keyring = local.opened(self._places)
            if listing.add(self._current, self._keyring, lists):
                where = self._places.public
                self._say(f"signed the agent in {where}: publish it again, it is older than what devices know now")
            root = local.write_kit(self._current, self._keyring, profiles, folder / KIT, code=code)
        (folder / TRUST_ROOT).write_bytes(root)


class OfKit:
    """A kit that was signed elsewhere; devices verify it, so nothing of it is believed here."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def choose(self, arch: str, board: str) -> Goods:
        """See `Source`."""
        return offered.chosen(self._targets(), self._path, arch, board)

    def everything(self) -> list[Goods]:
        """See `Source`."""
        return offered.everything(self._targets(), self._path)

    def brings(self, of: Userland) -> bool:
        """See `Source`."""
        return (self._agents(of) / gather.CODE).is_file()

    def agent(self, everything: Sequence[Goods], of: Userland, say: Callable[[str], None]) -> Path | None:
        """See `Source`."""
        return self._agents(of) if self.brings(of) else None

    def write(self, chosen: Goods | None, folder: Path, lists: Sequence[Listed], *, code: bool) -> None:
        """See `Source`; a kit is signed as a whole."""
        shutil.copytree(self._path, folder / KIT, ignore=self._beside)
        shutil.copyfile(self._path / _METADATA / "1.root.json", folder / TRUST_ROOT)

    def _beside(self, folder: str, names: list[str]) -> list[str]:
        """Of a folder of the kit, what goes there as an agent, if any does."""
        return [kits.AGENTS] if Path(folder) == self._path else []

    def _agents(self, of: Userland) -> Path:
        return self._path / kits.AGENTS / of.folder

    def _targets(self) -> Targets:
        newest = max(self._versions("targets"), default=0)
        try:
            metadata = Metadata[Targets].from_file(str(self._path / _METADATA / f"{newest}.targets.json"))
        except Exception as error:  # noqa: BLE001  # tuf and its storage raise many kinds
            step = "write it again: godwit repo kit"
            raise InputError(Problem(str(self._path), "a kit with targets", str(error)[:200], step)) from None
        return metadata.signed

    def _versions(self, role: str) -> Iterable[int]:
        names = (path.name.split(".")[0] for path in (self._path / _METADATA).glob(f"*.{role}.json"))
        return [int(name) for name in names if name.isdigit()]
