"""`dir:///mnt/stick`, where a stick is mounted: a signed kit, and the agent, for whatever devices it is carried to.

A device that has the agent mounts a stick labelled GODWIT, installs `godwit/` if it is signed by whom it trusts, and
leaves `godwit-outcome/DEVICE.json` for whoever takes the stick home (`edge-agent stick`, deploy/systemd). What it asks
for there, a certificate, it finds when it is plugged in the next time (`stick_requests.py`).
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem, UnavailableError
from firmware_profiles.installation import Installed
from fleet.agent_kit import for_bundles, gather
from fleet.agent_kit.userland import Userland
from fleet.flash import holder, plan, stick_agents, stick_requests
from fleet.flash.given import Given
from fleet.flash.plan import Planned
from fleet.flash.sources import KIT, TRUST_ROOT, Source
from fleet.flash.stick_requests import Asking
from fleet.goods import Goods
from fleet.repository.lists import Listed

FOLDER = "godwit"
_MAKING = ".godwit.tmp"
_MARGIN_BYTES = 4 << 20


class Stick:
    """A `target.Target`."""

    def __init__(self, path: Path, python: str | None, given: Given) -> None:
        """Args: `python`: of the devices, such as "3.11"; None for that of their profile."""
        self.name = f"dir://{path}"
        self.becomes = "is for the devices that it is plugged into, and lies"
        self._path = path
        self._python = python
        self._given = given
        self._held = -1
        self._needed_bytes = 0
        self._users: dict[Userland, list[Goods]] = {}
        self._lacks: list[Userland] = []
        self._asking: list[Asking] = []

    def open(self) -> None:
        """Hold the stick: two at once would mix their files.

        Raises:
            InputError: it is no folder, or options of a device were given.
            UnavailableError: somebody else writes to it.
        """
        if self._given.flags:
            step = "each device has its own already; for a device root on this machine add ?as=root"
            raise InputError(Problem(self.name, "neither --device-id nor --broker for a stick", "one", step))
        try:
            self._held = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            found = f"{holder.of(self._held) or 'another flash'}, who does"
            self.close()
            raise UnavailableError(Problem(self.name, "a stick that nobody writes to", found, "wait for it")) from None
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            raise InputError(Problem(self.name, "the folder of a mounted stick", found, "check the path")) from None

    def close(self) -> None:
        """Let go."""
        held, self._held = self._held, -1
        if held >= 0:
            os.close(held)

    def plan(self, source: Source) -> Planned:
        """What is to be written.

        Raises:
            InputError: the source has nothing.
            UnavailableError: the stick has no room.
        """
        everything = source.everything()
        missing = [each for each in everything if not self._has(each.sha256)]
        users, remarks = for_bundles.users(everything, self._python)
        self._users = {of: goods for of, goods in users.items() if source.brings(of)}
        remarks += [
            f"no agent comes along for Python {of.python} on {of.arch}: the kit has none"
            for of in users
            if of not in self._users
        ]
        self._lacks = [of for of in self._users if not stick_agents.is_there(self._path, of)]
        self._needed_bytes = sum(each.size_bytes for each in everything) + _MARGIN_BYTES if missing else 0
        self._check_room(0)
        steps = [
            f"write {each.manifest.name} {each.manifest.version} for {each.manifest.profiles[0]}"
            for each in (everything if missing else [])
        ]
        steps += [f"bring the agent for Python {of.python} on {of.arch}" for of in self._lacks]
        note = "devices install it by themselves only if they trust who signed it; label the stick GODWIT"
        certifier = self._given.certifier
        self._asking, refused = stick_requests.find(self._path, certifier) if certifier else ([], [])
        steps += [f"sign a certificate for {each.device}, whose request it brings" for each in self._asking]
        root = str(self._path / FOLDER)
        made, goods = plan.of(everything[0], self.name, root, steps, None, [note, *remarks, *refused])
        return Planned(msgspec.structs.replace(made, signs=bool(self._asking)), goods)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Write beside what is there, then rename: a stick that is pulled too early has the old kit, or none.

        Raises:
            UnavailableError: the stick cannot be written, or no wheels be had; it is as it was.
        """
        made = planned.plan
        done = Installed(made.deployment, made.version, "", "", bool(made.steps))
        writes = bool(self._needed_bytes or self._lacks)
        # All of them, not just those that the stick lacks: what is signed anew is what was gathered here.
        agents = {of: source.agent(goods, of, say) for of, goods in self._users.items() if writes}
        kits = {of: wheels for of, wheels in agents.items() if wheels}
        self._check_room(sum(map(gather.size_bytes, stick_agents.missing(self._path, kits).values())))
        try:
            if writes:
                self._write(source, kits, say)
            if self._asking:
                assert self._given.certifier is not None
                say("signing certificates")
                stick_requests.write(self._path, self._asking, self._given.certifier)
        except OSError as error:
            found = (error.strerror or str(error)).lower()
            step = "unlock it, or take another one"
            raise UnavailableError(Problem(self.name, "a stick to write to", found, step)) from None
        return done

    def _check_room(self, more_bytes: int) -> None:
        needed, free_bytes = self._needed_bytes + more_bytes, shutil.disk_usage(self._path).free
        if needed > free_bytes:
            found = f"{free_bytes / 1e6:.1f} MB"
            step = "remove what else is on it: nothing was written"
            raise UnavailableError(Problem(self.name, f"{needed / 1e6:.1f} MB of free space", found, step))

    def _write(self, source: Source, kits: dict[Userland, Path], say: Callable[[str], None]) -> None:
        making = self._path / _MAKING
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            lists = [Listed(wheels / gather.CODE, for_bundles.profiles(self._users[of])) for of, wheels in kits.items()]
            source.write(None, Path(scratch), lists, code=True)
            say("writing")
            try:
                shutil.rmtree(making, ignore_errors=True)
                shutil.copytree(Path(scratch) / KIT, making, copy_function=shutil.copyfile)
                stick_agents.write(self._path, stick_agents.missing(self._path, kits), Path(scratch) / TRUST_ROOT)
                os.sync()
                shutil.rmtree(self._path / FOLDER, ignore_errors=True)
                os.replace(making, self._path / FOLDER)
                atomic.sync_folder(self._path)
            except OSError:
                shutil.rmtree(making, ignore_errors=True)
                raise

    def _has(self, sha256: str) -> bool:
        return any((self._path / FOLDER / "targets").rglob(f"{sha256}.*"))
