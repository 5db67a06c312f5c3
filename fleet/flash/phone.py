"""One Android phone: what it is, and the folder of one deployment on it, by its shell and the adb server."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from firmware_profiles.errors import Problem, UnavailableError
from fleet.flash import app_files
from fleet.flash.adb_server import AdbError, AdbServer, LostError

_PROPERTIES = "ro.product.cpu.abi ro.product.model ro.build.version.release"
_ARCHES = {"arm64-v8a": "aarch64", "armeabi-v7a": "armv7l", "x86_64": "x86_64", "x86": "i686"}
_CHUNK_BYTES = 1 << 16


class About(NamedTuple):
    """What it says of itself; `free_bytes` of the storage that is written to."""

    abi: str
    model: str
    android: str
    free_bytes: int

    @property
    def arch(self) -> str:
        """As Linux names it."""
        return _ARCHES.get(self.abi, self.abi)


class Phone:
    """The phone `serial`; `where` is the target as in errors."""

    def __init__(self, server: AdbServer, serial: str, where: str) -> None:
        self.serial = serial
        self._server = server
        self._where = where

    def about(self, place: str) -> About | None:
        """Args: `place`: an existing folder, such as the storage of an app; None where it does not exist.

        Raises:
            UnavailableError: it is no Android that has what is needed.
        """
        line = f"for each in {_PROPERTIES}; do getprop $each; done; stat -f -c '%a %S' {place} && sha256sum /dev/null"
        with told(self._where):
            ran = self._server.shell(self.serial, line)
        lines = ran.stdout.decode(errors="replace").splitlines()
        if "No such file" in ran.stderr:
            return None
        try:
            blocks, size = map(int, lines[3].split())
        except (IndexError, ValueError):
            ran = ran._replace(exit_code=1)
        if ran.exit_code != 0:
            step = "take another phone"
            raise unavailable(self._where, "Android 8 or newer", ran.stderr or "other answers", step)
        return About(lines[0], lines[1], lines[2], blocks * size)

    def read(self, path: str) -> str:
        """The text file there; empty if there is none."""
        return self._ask(f"cat {path} 2>/dev/null || true")

    def is_whole(self, folder: str) -> bool:
        """Whether its files are those that it was pushed with."""
        found = self._hashes(folder)
        found.pop(app_files.LIST, None)
        return bool(found) and found == _parsed(self.read(f"{folder}/{app_files.LIST}"))

    def bring(self, folder: Path, staging: str, say: Callable[[str], None]) -> None:
        """Make `staging` there what `folder` is here; files that are there already are not sent.

        Raises:
            UnavailableError: not everything arrived.
        """
        wanted = app_files.hashes(folder) | {app_files.LIST: app_files.sha256(folder / app_files.LIST)}
        self._ask(f"mkdir -p {staging}")
        there = self._hashes(staging)
        if odd := [f"{staging}/{name}" for name in there if there[name] != wanted.get(name)]:
            self._ask(f"rm -f {shlex.join(odd)}")
        missing = {name: (folder / name).stat().st_size for name in wanted if there.get(name) != wanted[name]}
        done, total = 0, sum(missing.values())
        for name, size in missing.items():
            self._push(folder / name, f"{staging}/{name}", _teller(say, done, total))
            done += size
        found = self._hashes(staging)
        if odd := sorted(name for name in wanted if found.get(name) != wanted[name]):
            step = "flash again; if it stays so, its storage is worn out"
            raise unavailable(self._where, "the bytes that were sent", f"other ones in {odd[0]}", step)

    def switch(self, home: str, staging: str, name: str, *, readable: bool) -> None:
        """Give `staging` its name, let `active` say so, and remove all but it and its predecessor.

        Args:
            readable: for every app, by the files' modes; storage that has no modes needs none.
        """
        before = self.read(f"{home}/active").strip()
        opened = f"chmod -R a+rX {home}/..  && " if readable else ""
        self._ask(
            f"rm -rf {home}/{name} && mv {staging} {home}/{name} && echo {name} > {home}/.active.part"
            f" && {opened}sync && mv -f {home}/.active.part {home}/active && sync"
        )
        kept = {name, before, "active", ".", ".."}
        if old := [f"{home}/{each}" for each in self._ask(f"ls -a {home}").split() if each not in kept]:
            self._ask(f"rm -rf {shlex.join(old)}")

    def _push(self, path: Path, place: str, sent: Callable[[int], None]) -> None:
        with path.open("rb") as stream, told(self._where):
            self._server.push(self.serial, iter(lambda: stream.read(_CHUNK_BYTES), b""), place, sent)

    def _hashes(self, folder: str) -> dict[str, str]:
        """Name → sha256 of all files there."""
        return _parsed(self._ask(f"if cd {folder} 2>/dev/null; then find . -type f -exec sha256sum '{{}}' +; fi"))

    def _ask(self, command: str) -> str:
        with told(self._where):
            ran = self._server.shell(self.serial, command)
        if ran.exit_code != 0:
            found = ran.stderr or f"exit code {ran.exit_code}"
            step = f"try it by hand: adb -s {self.serial} shell"
            raise unavailable(self._where, "a phone that can be written to", found, step)
        return ran.stdout.decode(errors="replace")


@contextmanager
def told(where: str) -> Iterator[None]:
    """What adb says becomes an error of ours."""
    try:
        yield
    except LostError as error:
        if "adb server" in str(error):
            step = "install adb: the package adb, or Google's platform-tools"
            raise unavailable(where, "an adb server on this machine", str(error), step) from None
        step = "check the cable, then flash again: files that arrived are not sent twice"
        raise unavailable(where, "a link that holds", f"one that broke ({error})", step) from None
    except AdbError as error:
        raise unavailable(where, "what adb was asked for", str(error), "type: adb devices") from None


def unavailable(where: str, expected: str, found: str, step: str) -> UnavailableError:
    """An error; what a full phone needs is more room, whoever says that it is full."""
    if "No space left" in found:
        step = "free some space there, then flash again"
    return UnavailableError(Problem(where, expected, found, step))


def _parsed(text: str) -> dict[str, str]:
    """What sha256sum printed."""
    lines = (line.split(maxsplit=1) for line in text.splitlines())
    return {words[1].removeprefix("./"): words[0] for words in lines if len(words) == 2}


def _teller(say: Callable[[str], None], before: int, total: int) -> Callable[[int], None]:
    """Says how much of everything was sent, by how much of one file was."""
    return lambda sent: say(f"sent {(before + sent) / 1e6:.1f} of {total / 1e6:.1f} MB")
