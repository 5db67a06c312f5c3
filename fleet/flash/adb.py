"""`adb://SERIAL[?package=NAME]`: a model, its labels and golden vectors, for an app on an Android phone.

```
ROOT/DEPLOYMENT/active              one line: the folder that counts
ROOT/DEPLOYMENT/VERSION-HASH/       what `app_files` makes
```
A folder gets its name when every file in it has been hashed on the phone, and `active` is replaced by one rename: the
storage that apps share has neither symbolic links nor exchanges. Files that arrived before an interruption stay.
"""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed
from fleet.flash import app_files, holder, plan
from fleet.flash.adb_server import AdbServer
from fleet.flash.phone import About, Phone, told, unavailable
from fleet.flash.plan import Planned
from fleet.flash.sources import OfKit, Source
from fleet.goods import Goods

SHARED = "/data/local/tmp"
"""Where any app may read, and the user of adb may write."""

OF_APP = "/sdcard/Android/data/{package}/files"
"""Where one app alone may read, and the user of adb may write."""

_MARGIN_BYTES = 8 << 20
_FOLDER = re.compile(r"^(?P<version>[A-Za-z0-9.+_-]+)-[0-9a-f]{8}\Z")
_ALLOW = "unlock it, and allow this computer on its screen"
_STATES = {
    "unauthorized": _ALLOW,
    "authorizing": _ALLOW,
    "offline": "unplug it and plug it in again, or type: adb reconnect offline",
    "no permissions": "let your user open it: udev rules of the package android-sdk-platform-tools-common",
}


class Adb:
    """A `target.Target`."""

    def __init__(self, serial: str, package: str) -> None:
        """Args: `serial`: empty for the only phone there is. `package`: of the app; empty for any app."""
        self.name = f"adb://{serial}" + (f"?package={package}" if package else "")
        self.becomes = "is what apps load now"
        self._serial = serial
        self._package = package
        self._storage = OF_APP.format(package=package) if package else SHARED
        self._server = AdbServer()
        self._held: socket.socket | None = None

    def open(self) -> None:
        """Find the phone, and hold it.

        Raises:
            UnavailableError: there is no such one, or it does not let us in.
        """
        with told(self.name):
            self._server.start()
            devices = self._server.devices()
        serial = self._found(devices)
        address = f"\0godwit-flash adb {serial}"[:100]
        self._held = _held(address)
        if self._held is None:
            found = f"{holder.of_address(address) or 'another flash'}, who does"
            raise unavailable(self.name, "a phone that nobody else flashes", found, "wait for it")
        self._phone = Phone(self._server, serial, self.name)

    def close(self) -> None:
        """Let go."""
        held, self._held = self._held, None
        if held:
            self._server.close()
            held.close()

    def plan(self, source: Source) -> Planned:
        """What is to be done.

        Raises:
            GodwitError: everything for which it cannot be done.
        """
        if isinstance(source, OfKit):
            step = "flash its bundle, or the repository that made it"
            raise unavailable(
                self.name, "what was signed on this machine", "a kit, and phones verify no signature", step
            )
        about = self._phone.about(self._storage)
        if about is None:
            step = "install the app and start it once: then Android makes its folder"
            raise unavailable(self.name, f"the folder {self._storage}", "none", step)
        goods = source.choose(about.arch, "")
        active = self._phone.read(f"{self._home(goods)}/active").strip()
        if problems := list(self._obstacles(goods, about, active)):
            raise UnavailableError(*problems)
        remark = f"it is a {about.model} with Android {about.android} ({about.abi})"
        return plan.of(goods, self.name, self._home(goods), self._steps(goods, active), None, [remark])

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; apps load what they loaded before.
        """
        made, goods = planned
        if made.steps:
            home, name = self._home(goods), _folder(goods)
            staging = f"{home}/.{name}.part"
            with tempfile.TemporaryDirectory(prefix="godwit-app-") as scratch:
                app_files.write(goods.bundle, Path(scratch))
                self._phone.bring(Path(scratch), staging, say)
            self._phone.switch(home, staging, name, readable=not self._package)
        return Installed(made.deployment, made.version, "", self._phone.serial, changed=bool(made.steps))

    def _steps(self, goods: Goods, active: str) -> list[str]:
        if active == _folder(goods) and self._phone.is_whole(f"{self._home(goods)}/{active}"):
            return []
        replaced = f", in place of {active}" if active else ""
        pushed = f"push {goods.manifest.name} {goods.manifest.version} ({goods.size_bytes / 1e6:.1f} MB)"
        return [pushed, f"make it what apps load{replaced}"]

    def _obstacles(self, goods: Goods, about: About, active: str) -> Iterator[Problem]:
        made_for = goods.manifest
        step = "convert with --target android-phone"
        if formats := sorted({model.format for model in made_for.models} - {"tflite"}):
            yield Problem(self.name, "TFLite models, which apps can load", ", ".join(formats), step)
        if about.arch != made_for.arch:
            yield Problem(self.name, f"a phone with {made_for.arch}", f"{about.arch} ({about.abi})", step)
        needed = 2 * goods.size_bytes + _MARGIN_BYTES
        if needed > about.free_bytes:
            found = f"{about.free_bytes / 1e6:.0f} MB"
            step = "free some space there: nothing was sent"
            yield Problem(self.name, f"{needed / 1e6:.0f} MB of free space", found, step)
        named = _FOLDER.match(active)
        if named and plan.newer(named["version"], made_for.version):
            step = f"flash a newer one, or remove that first: adb shell rm -r {self._home(goods)}"
            expected = f"{made_for.name} {made_for.version} or older"
            yield Problem(self.name, expected, f"the newer {named['version']}", step)

    def _home(self, goods: Goods) -> str:
        return f"{self._storage}/godwit/{goods.manifest.name}"

    def _found(self, devices: dict[str, str]) -> str:
        if not self._serial and len(devices) != 1:
            found = ", ".join(devices) or "none"
            step = "plug it in with USB debugging on" if not devices else f"name it: adb://{next(iter(devices))}"
            raise unavailable(self.name, "one phone, or the name of one", found, step)
        serial = self._serial or next(iter(devices))
        if serial not in devices:
            found = ", ".join(devices) or "none"
            step = "plug it in with USB debugging on, and see: adb devices"
            raise unavailable(self.name, "a phone of that serial number", found, step)
        if devices[serial] != "device":
            state = devices[serial]
            step = next((step for begin, step in _STATES.items() if state.startswith(begin)), "start Android on it")
            raise unavailable(self.name, "a phone that lets this computer in", f"one that is {state}", step)
        return serial


def _folder(goods: Goods) -> str:
    return f"{goods.manifest.version}-{goods.sha256[:8]}"


def _held(address: str) -> socket.socket | None:
    """A name in the abstract socket namespace, which one process has at a time (unix(7)); None if another has it.

    Only Linux has such names: elsewhere nobody is kept out.
    """
    held = socket.socket(socket.AF_UNIX)
    try:
        if sys.platform == "linux":
            held.bind(address)
            held.listen()  # who connects is told by the kernel whose it is
    except OSError:
        held.close()
        return None
    return held
