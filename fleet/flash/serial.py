"""Flash over a serial line at whose other end `edge-agent receive` runs (docs/serial.md)."""

from __future__ import annotations

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.contents import Cargo
from firmware_profiles.serial_link.pump import LineLostError
from firmware_profiles.serial_link.said import Said
from fleet.flash import bringing, meeting
from fleet.flash.bringing import Progress
from fleet.flash.port import Port
from fleet.flash.serial_target import SerialTarget


def flash(target: SerialTarget, cargo: Cargo, progress: Progress) -> Said:
    """Bring `cargo` and have it installed: how `edge-agent install` ended there.

    Raises:
        UnavailableError: the port is missing or in use, nobody answers at this speed, there is only a console, or
            the line was lost for long.
        InputError: a file changed since it was listed.
    """
    host = bringing.host_of(cargo)
    with Port(target.port, target.baud) as port:
        try:
            found = meeting.meet(port, host, target.url, target.baud, lambda speed: progress(f"at {speed} baud", 0, 0))
        except LineLostError as error:
            step = "plug it in, and type the same again"
            raise UnavailableError(Problem(target.url, "a line that stays", str(error), step)) from None
        if found == "console":
            step = "start there: edge-agent receive --root DIR"
            raise UnavailableError(Problem(target.url, "a receiver", "a console", step))
        return bringing.bring(host, port, progress)
