"""`image:///PATH`: the image of a disk, such as an SD card's, gets what it installs when it boots for the first time.

The agent, the bundle and what brings about its installation go to a folder of the root partition, with a systemd unit
that runs once (`fleet/bootstrap/first_boot.py`); the boot partition gets the outcome, which is "pending" until then,
and where a certificate is wanted the request for it.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from firmware_profiles import VERSION
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed
from fleet.bootstrap import first_boot
from fleet.flash import held_file, image_system, parcel, plan, programs
from fleet.flash.ext4 import New
from fleet.flash.given import Given
from fleet.flash.image_system import System
from fleet.flash.parcel import Order
from fleet.flash.plan import Planned
from fleet.flash.road import DEFAULT_ROOT, Facts
from fleet.flash.sources import Source
from fleet.goods import Goods

FOLDER = "/var/lib/godwit-flash"
_UNITS = "/etc/systemd/system"
_STAMP = "brought.sha256"
_MARGIN_BYTES = 16 << 20
_BOOT_BYTES = 64 << 10
_UNIT = """\
[Unit]
Description=Install what godwit flash wrote to this image
ConditionPathExists={folder}/order.json
RequiresMountsFor={folder} {boot}

[Service]
Type=oneshot
Environment=PYTHONPATH={folder}/{zipapp}
ExecStart=/usr/bin/python3 -m fleet.bootstrap.first_boot {folder} {boot}
StandardOutput=journal+console

[Install]
WantedBy=multi-user.target
"""


class Image:
    """A `target.Target`."""

    def __init__(self, path: Path, board: str, given: Given) -> None:
        """Args: `board`: what it will boot on, as a device tree names it; empty where that was not said."""
        self.name = f"image://{path}"
        self.becomes = "is installed when it boots for the first time"
        self._path = path
        self._board = board
        self._given = given
        self._stream: IO[bytes] | None = None
        self._copies = False

    def open(self) -> None:
        """Hold the file: nobody else flashes it, and no virtual machine runs it.

        Raises:
            InputError: there is no such file.
            UnavailableError: it is in use, or a program is missing here.
        """
        if missing := programs.missing("debugfs", "e2fsck", "mtools"):
            raise UnavailableError(*missing)
        self._stream = held_file.hold(self._path, self.name)

    def close(self) -> None:
        """Let go; an image that is being written stays what it was."""
        stream, self._stream = self._stream, None
        if stream and not self._copies:
            stream.close()

    def plan(self, source: Source) -> Planned:
        """What is to be done.

        Raises:
            GodwitError: everything for which it cannot be done.
        """
        with _folder(self._path) as folder:
            system = image_system.find(folder, self.name)
            facts = image_system.facts(system, self._board)
            goods = source.choose(facts.arch, self._board)
            if not self._board:  # it is asked for on the device, when this is installed there
                facts = msgspec.structs.replace(facts, board=goods.manifest.device_tree_model)
            steps = [] if self._is_there(system, goods, facts) else _steps(system, goods, self._order())
            problems = [
                *plan.obstacles(goods, facts, self.name),
                *parcel.no_agent(source, facts, self.name),
                *self._obstacles(system, facts, bool(steps)),
            ]
            if problems:
                raise UnavailableError(*problems)
            return plan.of(goods, self.name, DEFAULT_ROOT, steps, facts, [f"it holds {system.title}"])

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned, in a copy that takes the image's place.

        Raises:
            GodwitError: it failed; the image is as it was.
        """
        made, goods = planned
        assert made.facts is not None
        outcome = Installed(
            made.deployment, made.version, "", self._given.device or made.facts.device, bool(made.steps)
        )
        if not made.steps:
            return outcome
        wheels = parcel.agent(source, goods, made.facts, self.name, say)
        with self._copy(say) as copy, _folder(copy) as folder:
            brought = folder / "parcel"
            brought.mkdir()
            parcel.pack(brought, goods, source, wheels, self._order())
            (brought / _STAMP).write_text(self._stamp(goods))
            self._write(folder, brought, outcome, say)
        return outcome

    @contextmanager
    def _copy(self, say: Callable[[str], None]) -> Iterator[Path]:
        """What becomes the image, unless another thread has let go meanwhile."""
        stream, self._copies = self._stream, True
        assert stream is not None
        try:
            with held_file.replaced(self._path, stream, self.name, say) as copy:
                yield copy
                if self._stream is None:
                    raise UnavailableError(Problem(self.name, "time to finish", "an interruption", "flash again"))
        finally:
            self._copies = False
            if self._stream is None:
                stream.close()

    def _write(self, folder: Path, brought: Path, outcome: Installed, say: Callable[[str], None]) -> None:
        system = image_system.find(folder, self.name)
        _check_room(system, brought, self.name)
        say("writing to the root partition")
        system.root.replace(FOLDER, _inside(brought), _outside(folder, system))
        if fault := system.root.fault():
            step = "this is a bug in Godwit or in debugfs: please report it; the image is as it was"
            raise UnavailableError(Problem(self.name, "a root partition without errors", fault, step))
        if system.boot:
            pending = {"state": "pending", "deployment": outcome.deployment, "version": outcome.version}
            (folder / "pending").write_bytes(msgspec.json.format(msgspec.json.encode(pending)) + b"\n")
            system.boot.write(folder / "pending", first_boot.ON_BOOT)

    def _order(self) -> Order:
        return Order(DEFAULT_ROOT, service=True, flags=self._given.flags, certificate=self._given.certifier is not None)

    def _is_there(self, system: System, goods: Goods, facts: Facts) -> bool:
        """Whether it was brought and waits for the first boot, or was installed by it."""
        enabled = system.root.link(str(first_boot.ENABLED))
        brought = system.root.read(f"{FOLDER}/{_STAMP}", 64).decode("ascii", "replace")
        return bool(enabled and brought == self._stamp(goods)) or facts.manifest_sha256 == goods.manifest_sha256

    def _obstacles(self, system: System, facts: Facts, writes: bool) -> Iterator[Problem]:
        if facts.init != "systemd":
            step = "flash it over ssh when it runs"
            yield Problem(self.name, "a system that is started by systemd", system.title, step)
        if writes and system.boot and system.boot.free_bytes < _BOOT_BYTES:
            expected = f"{_BOOT_BYTES // 1024} KB free in the boot partition"
            step = "remove something there: mdel, of mtools"
            yield Problem(self.name, expected, f"{system.boot.free_bytes // 1024} KB", step)

    def _stamp(self, goods: Goods) -> str:
        """By what an image shows that just this was brought to it."""
        parts = (VERSION, goods.sha256, self._order(), str(self._given.wheels or ""))
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


@contextmanager
def _folder(image: Path) -> Iterator[Path]:
    """A folder for programs to run in, with the image under a name that they understand."""
    with tempfile.TemporaryDirectory(prefix="godwit-image-") as scratch:
        (Path(scratch) / programs.IMAGE).symlink_to(image.absolute())
        yield Path(scratch)


def _steps(system: System, goods: Goods, order: Order) -> list[str]:
    """In order."""
    what = goods.manifest
    steps = [f"write {what.name} {what.version} and the agent to {FOLDER} of its root partition"]
    steps.append("enable a service that installs them when it boots for the first time")
    if system.boot:
        steps.append(f"write {first_boot.ON_BOOT} to its boot partition, which says then how it went")
    if order.certificate:
        where = f"{first_boot.REQUEST} of its boot partition" if system.boot else f"{FOLDER}/request.csr"
        steps.append(f"have it ask for a certificate when it boots for the first time, in {where}")
    return steps


def _inside(parcel_folder: Path) -> list[New]:
    """All that goes to `FOLDER`; it may hold the broker's password."""
    return [
        New(f"{FOLDER}/{path.relative_to(parcel_folder)}", path.relative_to(parcel_folder.parent), 0o600)
        for path in sorted(parcel_folder.rglob("*"))
        if path.is_file()
    ]


def _outside(folder: Path, system: System) -> list[New]:
    """The unit, and the link that enables it."""
    unit = _UNIT.format(folder=FOLDER, boot=system.boot_mount, zipapp=first_boot.ZIPAPP)
    (folder / "unit").write_text(unit)
    return [
        New(f"{_UNITS}/{first_boot.UNIT}", Path("unit")),
        New(str(first_boot.ENABLED), f"../{first_boot.UNIT}"),
    ]


def _check_room(system: System, parcel_folder: Path, where: str) -> None:
    """Its own installer makes the partition as large as its card; until then it must hold what is brought."""
    needed = sum(path.stat().st_size for path in parcel_folder.rglob("*")) + _MARGIN_BYTES
    if needed > system.root.free_bytes:
        found = f"{system.root.free_bytes / 1e6:.0f} MB"
        step = "make it larger, as docs/howto/images.md shows"
        raise UnavailableError(Problem(where, f"{needed / 1e6:.0f} MB free in the root partition", found, step))
