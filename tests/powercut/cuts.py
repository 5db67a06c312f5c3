"""The cuts: which there are, and how one is made."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.powercut import disk, trace
from tests.powercut.judge import BrickedError, judge
from tests.powercut.material import Material
from tests.powercut.paths import Path as Way
from tests.powercut.sessions import Session, prepare
from tests.powercut.trace import Call

DEVICE = Path("/device")
_EVERY_REAL = 100
"""One cut in so many is made with a real model and a real agent, too."""


class Cut(NamedTuple):
    """One experiment.

    Attributes:
        way: number of the way through the table.
        change: number of the call that changes something at which power goes, in a recorded run of that way.
        loss: what of the unsynced is lost; empty: nothing is, since only the process is killed, by strace.
        again: power goes a second time, in the recovery.
        real: with a real model, a self-test in a Python of its own, and an agent process.
    """

    way: int
    change: int
    loss: str = ""
    again: bool = False
    real: bool = False

    @property
    def name(self) -> str:
        """For the list of results."""
        return f"{self.way}.{self.change}.{self.loss or 'kill'}{'.again' * self.again}{'.real' * self.real}"


class Recorded(NamedTuple):
    """One way through the table, as strace saw it without any cut, in a device root called `DEVICE`.

    Attributes:
        changes: numbers of the calls that change something in it.
    """

    way: Way
    calls: list[Call]
    changes: list[int]

    def at(self, change: int) -> Call:
        """The call that makes one change."""
        return self.calls[self.changes[change]]


class Bench:
    """Where cuts are made: `material`, and one device root at a time in `folder`."""

    def __init__(self, material: Material, folder: Path) -> None:
        self._material = material
        self._folder = folder
        self._device = folder / "cut" / "device"
        self.left = folder / "left"
        """What the last cut left, before anything went on."""

    def record(self, way: Way, real: bool = False) -> Recorded:
        """Run `way` as it is; `real` as in `Cut`.

        Raises:
            AssertionError: the model of the disk says that it left something else than it did.
        """
        session = self._session(way, real)
        model, logs = disk.Disk(self._device, DEVICE), self._folder / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        _, traced = trace.traced(session.run, logs / "log")
        shutil.rmtree(logs)
        calls = [call.moved(self._device, DEVICE) for call in traced]
        changes = [number for number, call in enumerate(calls) if model.apply(call) and call.can_change]
        model.write(self.left, None)
        differs = subprocess.run(["diff", "-r", "--no-dereference", self._device, self.left], capture_output=True)
        assert not differs.stdout, differs.stdout.decode()
        return Recorded(way, calls, changes)

    def make(self, cut: Cut, recorded: Recorded) -> None:
        """Make one cut and judge what it leaves.

        Raises:
            BrickedError: what must never be.
        """
        session = self._session(recorded.way, cut.real)
        if cut.loss:
            self._lose(cut, recorded)
        elif not trace.cut(session.run, recorded.at(cut.change).point):
            raise BrickedError(f"it was not cut at {recorded.at(cut.change).point}: the runs differ")
        if cut.again:
            self._cut_recovery(session, recorded, random.Random(cut.name))  # noqa: S311  # nothing secret
        shutil.copytree(self._device, self.left, symlinks=True)
        judge(self._material, self._device, recorded.way.what, cut.real)

    def refuse(self, change: int, recorded: Recorded, error: str) -> None:
        """Let the disk refuse one change and all of its kind that follow, and judge what that leaves.

        Raises:
            BrickedError: what must never be.
        """
        session = self._session(recorded.way, real=False)
        point = recorded.at(change).point
        code = trace.refused(session.run, point, error)
        if code not in (0, 4, 5, 6):
            raise BrickedError(f"{error} at {point} ended with exit code {code}")
        judge(self._material, self._device, recorded.way.what)

    def _session(self, way: Way, real: bool) -> Session:
        """A fresh device, and what is going to happen to it."""
        for folder in (self._device, self.left):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._material.device, self._device, symlinks=True)
        session = Session(self._material, self._device, way, real=real)
        prepare(session)
        return session

    def _lose(self, cut: Cut, recorded: Recorded) -> None:
        model = disk.Disk(self._device, DEVICE)
        for call in recorded.calls[: recorded.changes[cut.change]]:
            model.apply(call)
        shutil.rmtree(self._device)
        model.write(self._device, cut.loss)

    def _cut_recovery(self, session: Session, recorded: Recorded, chance: random.Random) -> None:
        """Kill the run that goes on, somewhere."""
        name, _, most = recorded.at(chance.randrange(len(recorded.changes))).point.partition(":")
        ordinal = int(most)
        before = self._folder / "before"
        shutil.rmtree(before, ignore_errors=True)
        shutil.copytree(self._device, before, symlinks=True)
        recovery = session._replace(way=session.way._replace(begin="found"))
        while not trace.cut(recovery.run, f"{name}:{ordinal}"):
            if ordinal == 1:
                return  # the recovery has no such call
            ordinal //= 2
            shutil.rmtree(self._device)
            shutil.copytree(before, self._device, symlinks=True)


def plan(recorded: Sequence[Recorded]) -> Iterator[Cut]:
    """Every cut, way by way and call by call, so that every nth of them hits every kind."""
    for way, each in enumerate(recorded):
        for number in range(len(each.changes)):
            losses = disk.LOSSES
            yield Cut(way, number)
            yield from (Cut(way, number, loss) for loss in (losses[0], losses[1 + number % (len(losses) - 1)]))
            yield Cut(way, number, ("", *losses)[number % (1 + len(losses))], again=True)


def some(cuts: Sequence[Cut], most: int) -> list[Cut]:
    """At most so many of them, spread evenly."""
    count = min(most, len(cuts))
    return [cuts[number * len(cuts) // count] for number in range(count)]


def with_real(cuts: Sequence[Cut]) -> Iterator[Cut]:
    """Those, and every hundredth with a real model, too."""
    for number, cut in enumerate(cuts, 1):
        yield cut
        if number % _EVERY_REAL == 0:
            yield cut._replace(again=False, real=True)
