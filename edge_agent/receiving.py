"""A receiver at a serial port, which may be unplugged at any moment."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from edge_agent import config, renewing
from edge_agent.deployment import read_slot
from edge_agent.layout import Root
from edge_agent.ota import journal
from firmware_profiles import VERSION, profile
from firmware_profiles.errors import GodwitError, Problem, UnavailableError
from firmware_profiles.identity import Identity
from firmware_profiles.manifest import MANIFEST_NAME
from firmware_profiles.serial_link.contents import Contents
from firmware_profiles.serial_link.device import Device
from firmware_profiles.serial_link.pump import Line, LineLostError
from firmware_profiles.serial_link.said import Said
from firmware_profiles.serial_link.store import Store
from firmware_profiles.serial_receiver.serving import serve
from firmware_profiles.serial_receiver.staging import Staging

_AGAIN_S = 1.0
_NOISE_BYTES = 64


def facts(root: Root) -> bytes:
    """What this device is, before anything is sent: JSON, as `godwit flash` asks it elsewhere by a script."""
    there = next(path for path in (root.folder, *root.folder.parents) if path.exists())
    manifest = root.active / MANIFEST_NAME
    content = manifest.read_bytes() if manifest.exists() else b""
    installed, device = None, ""
    with contextlib.suppress(GodwitError):  # something there is damaged: it can be flashed all the same
        installed = read_slot(root.active).manifest
    with contextlib.suppress(GodwitError):
        device = config.load(root.config).device
    told = {
        "arch": profile.userland_arch(),
        "kernel": platform.machine(),
        "glibc": platform.libc_ver()[1],
        "python": ".".join(platform.python_version_tuple()[:2]),
        "board": profile.board(),
        "free_bytes": shutil.disk_usage(there).free,
        "clock_s": int(time.time()),
        "agent_version": VERSION if root.active_agent_slot() else "",
        "manifest_sha256": hashlib.sha256(content).hexdigest() if content else "",
        "installed": [installed.name, installed.version] if installed else [],
        "device": device,
        "identity": _identity(root),
        "on_probation": _on_probation(root),
    }
    return msgspec.json.encode(told)


def _on_probation(root: Root) -> str:
    """Name and version of what has yet to prove itself; empty if nothing has."""
    with contextlib.suppress(ValueError, OSError):
        found = journal.peek(root)
        if found.state == "proving" and found.plan:
            return f"{found.plan.deployment} {found.plan.version}"
    return ""


def _identity(root: Root) -> Identity | None:
    """The certificate in use; None without one, or one that can be read."""
    with contextlib.suppress(GodwitError):
        return renewing.present(root)
    return None


class Receiving(Staging):
    """A transfer's folder; what an installation leaves on probation is watched at once, if systemd runs the updater."""

    def __init__(self, root: Root, install: Callable[[Path, Contents], list[str]]) -> None:
        """Args: `install` as of `Staging`."""
        super().__init__(root.received, install)
        self._root = root

    def finishing(self) -> str | Said | list[int]:
        """See `Store`."""
        state = super().finishing()
        if isinstance(state, Said) and _on_probation(self._root):
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK  # the folder is the agent's
            with contextlib.suppress(OSError):  # then its timer comes
                os.close(os.open(self._root.request, flags, 0o644))
        return state


def serve_port(store: Store, facts: Callable[[], bytes], name: str, baud: int, once: bool) -> int:
    """Transfers over a port, which is opened again whenever it was lost; with `once`, one.

    Raises:
        UnavailableError: with `once`, the port cannot be opened.
    """

    def say(text: str) -> None:
        print(f"{name}: {text}", file=sys.stderr, flush=True)

    device = Device(store, facts)
    missed = said = ""

    def goes_on() -> bool:
        nonlocal said
        if (now := _state(device)) != said:
            said = now
            say(now)
        return not (once and device.served)

    while True:
        try:
            with _port(name, baud) as line:
                say(f"open at {baud} baud")
                missed = ""
                return serve(device, line, goes_on) or 0
        except LineLostError:
            say("the line was lost")
        except UnavailableError as error:
            if once:
                raise
            if str(error) != missed:
                missed = str(error)
                say(f"waiting: {error}")
        time.sleep(_AGAIN_S)


@contextmanager
def _port(name: str, baud: int) -> Iterator[Line]:
    """A serial port of this device's own.

    Raises:
        UnavailableError: there is none, it cannot be used, or another program has it.
    """
    step = "plug it in, look at its rights, and end what else reads it"
    try:
        import serial
    except ModuleNotFoundError:
        problem = Problem(name, "the Python package pyserial", "none", "pip install 'godwit[agent]'")
        raise UnavailableError(problem) from None
    try:
        opened = serial.Serial(name, baud, timeout=0, exclusive=True)
    except (OSError, ValueError, termios.error) as error:  # SerialException is an OSError
        number = getattr(error, "errno", None)
        found = os.strerror(number).lower() if number else str(error)
        raise UnavailableError(Problem(name, "a serial port", found, step)) from None
    try:
        yield Line(opened.fileno(), opened.fileno())
    finally:
        with contextlib.suppress(OSError, termios.error):  # it may be unplugged
            opened.close()


def _state(device: Device) -> str:
    if device.state == "ended" and device.outcome:
        return f"ended: {device.outcome.last_line}"
    if device.state == "idle" and device.noise_bytes > _NOISE_BYTES:
        return "what comes in is no frame: is the host at another speed?"
    return device.state
