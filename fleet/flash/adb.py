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
import shlex
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed
from fleet.flash import app_files, plan
from fleet.flash.adb_server import AdbError, AdbServer, Finished, LostError
from fleet.flash.goods import Goods
from fleet.flash.plan import Planned
from fleet.flash.sources import OfKit, Source

SHARED = "/data/local/tmp/godwit"
"""Where any app may read, and the user of adb may write; the app's own folder is for one app alone."""

OF_APP = "/sdcard/Android/data/{package}/files/godwit"
_ARCHES = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7l", "x86_64": "x86_64", "x86": "i686"}
_MARGIN_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 16
_FOLDER = re.compile(r"^(?P<version>[A-Za-z0-9.+_-]+)-[0-9a-f]{8}\Z")
_STATES = {
    "unauthorized": "unlock it, and allow this computer on its screen",
    "authorizing": "unlock it, and allow this computer on its screen",
    "offline": "unplug it and plug it in again, or type: adb reconnect offline",
    "no permissions": "let your user open it: udev rules of the package android-sdk-platform-tools-common",
}


class Phone(NamedTuple):
    """What it says of itself."""

    abi: str
    model: str
    android: str
    free_bytes: int


class Adb:
    """A `target.Target`."""

    def __init__(self, serial: str, package: str) -> None:
        """Args: `serial`: empty for the only device there is. `package`: of the app; empty for any app."""
        self.name = f"adb://{serial}" + (f"?package={package}" if package else "")
        self.becomes = "is what apps load now"
        self._serial = serial
        self._package = package
        self._root = OF_APP.format(package=package) if package else SHARED
        self._server = AdbServer()
        self._held: socket.socket | None = None

    def open(self) -> None:
        """Find the phone, and hold it.

        Raises:
            UnavailableError: there is no such one, or it does not let us in.
        """
        with self._told():
            self._server.start()
            self._serial = self._found(self._server.devices())
            self._held = _held(f"adb {self._serial}")
        if self._held is None:
            raise self._unavailable("a phone that nobody else flashes", "another flash", "wait for it")

    def close(self) -> None:
        """Let go."""
        if self._held:
            self._held.close()
            self._held = None

    def plan(self, source: Source) -> Planned:
        """What is to be done.

        Raises:
            GodwitError: everything for which it cannot be done.
        """
        if isinstance(source, OfKit):
            step = "flash its bundle, or the repository that made it"
            raise self._unavailable("what this machine signed itself", "a kit, and phones verify no signature", step)
        with self._told():
            phone = self._probe()
            goods = source.choose(_ARCHES.get(phone.abi, phone.abi), "")
            active = self._ask(f"cat {self._home(goods)}/active 2>/dev/null || true").strip()
            problems = list(self._obstacles(goods, phone, active))
            if problems:
                raise UnavailableError(*problems)
            steps = []
            if active != _folder(goods) or not self._is_whole(f"{self._home(goods)}/{active}"):
                steps = [f"push {goods.manifest.name} {goods.manifest.version} ({goods.size_bytes / 1e6:.1f} MB)"]
                steps.append("make it what apps load" + (f", in place of {active}" if active else ""))
        remark = f"it is a {phone.model} with Android {phone.android} ({phone.abi})"
        return plan.of(goods, self.name, self._root, steps, None, [remark])

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; apps load what they loaded before.
        """
        made, goods = planned
        if made.steps:
            with tempfile.TemporaryDirectory(prefix="godwit-app-") as scratch, self._told():
                app_files.write(goods.bundle, Path(scratch))
                self._bring(Path(scratch), goods, say)
        return Installed(made.deployment, made.version, "", self._serial, changed=bool(made.steps))

    def _bring(self, folder: Path, goods: Goods, say: Callable[[str], None]) -> None:
        wanted = app_files.hashes(folder) | {app_files.LIST: app_files.sha256(folder / app_files.LIST)}
        staging = f"{self._home(goods)}/.{_folder(goods)}.part"
        self._ask(f"mkdir -p {staging}")
        there = self._hashes(staging)
        missing = {name: (folder / name).stat().st_size for name in wanted if there.get(name) != wanted[name]}
        if wrong := [f"{staging}/{name}" for name in there if there[name] != wanted.get(name)]:
            self._ask(f"rm -f {shlex.join(wrong)}")
        done, total = 0, sum(missing.values())
        for name, size in missing.items():
            self._push(folder / name, f"{staging}/{name}", _teller(say, done, total))
            done += size
        found = self._hashes(staging)
        if odd := sorted(name for name in wanted if found.get(name) != wanted[name]):
            raise self._unavailable("the bytes that were sent", f"other ones in {odd[0]}", "check its storage")
        self._switch(staging, goods)

    def _switch(self, staging: str, goods: Goods) -> None:
        """What was checked gets its name, `active` says so, and all but it and its predecessor go."""
        home, name = self._home(goods), _folder(goods)
        before = self._ask(f"cat {home}/active 2>/dev/null || true").strip()
        readable = f"chmod -R a+rX {staging}" if not self._package else "true"
        self._ask(
            f"{readable} && rm -rf {home}/{name} && mv {staging} {home}/{name} && chmod a+rX {home} {self._root}"
            f" && echo {name} > {home}/.active.part && chmod a+r {home}/.active.part"
            f" && mv -f {home}/.active.part {home}/active && sync"
        )
        kept = {name, before, "active", ".", ".."}
        listed = self._ask(f"ls -a {home}").split()
        if old := [f"{home}/{each}" for each in listed if each not in kept]:
            self._ask(f"rm -rf {shlex.join(old)}")

    def _push(self, path: Path, place: str, sent: Callable[[int], None]) -> None:
        with path.open("rb") as stream:
            self._server.push(self._serial, iter(lambda: stream.read(_CHUNK_BYTES), b""), place, sent)

    def _probe(self) -> Phone:
        words = "ro.product.cpu.abi ro.product.model ro.build.version.release"
        place = self._root.rpartition("/")[0]
        told = self._run(
            f"for each in {words}; do getprop $each; done; stat -f -c '%a %S' {place}; sha256sum /dev/null"
        )
        lines = told.stdout.decode(errors="replace").splitlines()
        if self._package and "No such file" in told.stderr:
            step = "install the app and start it once: then Android makes its folder"
            raise self._unavailable(f"the folder of the app {self._package}", "none", step)
        if told.exit_code != 0 or len(lines) != 5:
            raise self._unavailable("Android 8 or newer", told.stderr or f"{len(lines)} answers", "take another phone")
        blocks, size = lines[3].split()
        return Phone(lines[0], lines[1], lines[2], int(blocks) * int(size))

    def _obstacles(self, goods: Goods, phone: Phone, active: str) -> Iterator[Problem]:
        made_for = goods.manifest
        arch = _ARCHES.get(phone.abi, phone.abi)
        formats = sorted({model.format for model in made_for.models} - {"tflite"})
        step = "convert with --target android-phone"
        if formats:
            yield Problem(self.name, "TFLite models, which apps can load", ", ".join(formats), step)
        if arch != made_for.arch:
            yield Problem(self.name, f"a phone with {made_for.arch}", f"{arch} ({phone.abi})", step)
        needed = 2 * goods.size_bytes + _MARGIN_BYTES
        if needed > phone.free_bytes:
            found = f"{phone.free_bytes / 1e6:.0f} MB"
            step = "free some space there: nothing was sent"
            yield Problem(self.name, f"{needed / 1e6:.0f} MB of free space", found, step)
        named = _FOLDER.match(active)
        if named and plan.newer(named["version"], made_for.version):
            step = "flash a newer one, or remove it there: adb shell rm -r " + self._home(goods)
            expected = f"{made_for.name} {made_for.version} or older"
            yield Problem(self.name, expected, f"the newer {named['version']}", step)

    def _is_whole(self, folder: str) -> bool:
        listed = self._ask(f"cat {folder}/{app_files.LIST} 2>/dev/null || true")
        found = self._hashes(folder)
        found.pop(app_files.LIST, None)
        return bool(found) and found == _parsed(listed)

    def _hashes(self, folder: str) -> dict[str, str]:
        """Name → sha256 of all files there."""
        line = f"if cd {folder} 2>/dev/null; then find . -type f -exec sha256sum '{{}}' +; fi"
        return _parsed(self._ask(line))

    def _home(self, goods: Goods) -> str:
        return f"{self._root}/{goods.manifest.name}"

    def _found(self, devices: dict[str, str]) -> str:
        usable = [serial for serial, state in devices.items() if state == "device"]
        if not self._serial and len(usable) == 1:
            return usable[0]
        if not self._serial:
            found = ", ".join(usable) or "none that can be used"
            raise self._unavailable("one phone, or the name of one", found, "name it: adb://SERIAL (adb devices)")
        state = devices.get(self._serial)
        if state is None:
            found = ", ".join(devices) or "none"
            raise self._unavailable("a phone of that serial number", found, "plug it in with USB debugging on")
        if state != "device":
            step = next((step for begin, step in _STATES.items() if state.startswith(begin)), "start Android on it")
            raise self._unavailable("a phone that lets this computer in", state, step)
        return self._serial

    def _ask(self, command: str) -> str:
        ran = self._run(command)
        if ran.exit_code != 0:
            full = "No space left" in ran.stderr
            step = "free some space there, then flash again" if full else f"adb -s {self._serial} shell, and try"
            raise self._unavailable("a phone that can be written to", ran.stderr or f"exit code {ran.exit_code}", step)
        return ran.stdout.decode(errors="replace")

    def _run(self, command: str) -> Finished:
        return self._server.shell(self._serial, command)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What adb says becomes an error of ours."""
        try:
            yield
        except LostError as error:
            if "adb server" in str(error):
                step = "install adb: the package adb, or Google's platform-tools"
                raise self._unavailable("an adb server on this machine", str(error), step) from None
            step = "check the cable, then flash again: files that arrived are not sent twice"
            raise self._unavailable("a link that holds", f"one that broke ({error})", step) from None
        except AdbError as error:
            step = "free some space there, then flash again" if "No space left" in str(error) else "see: adb devices"
            raise self._unavailable("what adb was asked for", str(error), step) from None

    def _unavailable(self, expected: str, found: str, step: str) -> UnavailableError:
        return UnavailableError(Problem(self.name, expected, found, step))


def _folder(goods: Goods) -> str:
    return f"{goods.manifest.version}-{goods.sha256[:8]}"


def _parsed(text: str) -> dict[str, str]:
    """What sha256sum printed."""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {words[1].removeprefix("./"): words[0] for words in lines if len(words) == 2}


def _teller(say: Callable[[str], None], before: int, total: int) -> Callable[[int], None]:
    """Says how much of everything was sent, by how much of one file was."""
    return lambda sent: say(f"sent {(before + sent) / 1e6:.1f} of {total / 1e6:.1f} MB")


def _held(what: str) -> socket.socket | None:
    """A name in the abstract socket namespace, which one process has at a time (unix(7)); None if another has it."""
    held = socket.socket(socket.AF_UNIX)
    try:
        held.bind(f"\0godwit-flash {what}"[:100])
    except OSError:
        held.close()
        return None
    return held
