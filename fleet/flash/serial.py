"""`serial:///dev/ttyUSB0?baud=3000000`: a receiver is at the other end of the line, or a console (docs/serial.md)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed
from firmware_profiles.serial_link.contents import Cargo, Contents
from firmware_profiles.serial_link.pump import LineLostError
from fleet.flash import bringing, meeting
from fleet.flash.at_receiver import AtReceiver
from fleet.flash.console import Login
from fleet.flash.console_road import ConsoleRoad
from fleet.flash.given import Given
from fleet.flash.on_device import OnDevice
from fleet.flash.plan import Planned
from fleet.flash.port import Port
from fleet.flash.serial_target import SerialTarget
from fleet.flash.sources import Source


class Serial:
    """A `target.Target`: what is at the other end decides, when it is opened, how it is flashed."""

    def __init__(self, target: SerialTarget, owner: str, given: Given) -> None:
        self.name = target.url
        self.becomes = "is now active"
        self._target = target
        self._owner = owner
        self._given = given
        self._open = contextlib.ExitStack()
        self._end: AtReceiver | OnDevice | None = None

    def open(self) -> None:
        """Hold the port, and find out who is there.

        Raises:
            UnavailableError: the port is missing or in use, nobody answers, or somebody at another speed, or the
                console lets nobody in.
        """
        try:
            port = self._open.enter_context(Port(self._target.port, self._target.baud))
            self._end = self._met(port)
            self._end.open()
        except LineLostError as error:
            step = "plug it in, and type the same again"
            raise UnavailableError(Problem(self.name, "a line that stays", str(error), step)) from None

    def close(self) -> None:
        """Let go; never fails."""
        if self._end is not None:
            self._end.close()
        self._end = None
        self._open.close()

    def plan(self, source: Source) -> Planned:
        """See `target.Target`."""
        assert self._end is not None
        return self._end.plan(source)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """See `target.Target`."""
        assert self._end is not None
        return self._end.act(planned, source, say)

    def _met(self, port: Port) -> AtReceiver | OnDevice:
        stranger = bringing.host_of(Cargo(Contents(()), []))
        if meeting.meet(port, stranger, self.name, self._target.baud) == "receiver":
            return AtReceiver(self._target, port, stranger.facts, self._given)
        road = ConsoleRoad(port, self._target, Login(self._target.user, self._password))
        return OnDevice(road, self._owner, self._given)

    def _password(self) -> str:
        if self._given.password_file is None:
            step = "give the password's file: --password-file F"
            raise UnavailableError(Problem(self.name, "no password to be asked for", "a console that asks", step))
        with self._given.password_file.open(encoding="utf-8") as stream:
            return stream.readline().rstrip("\n")
