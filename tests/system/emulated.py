"""A whole computer by qemu-system: its own kernel, udev, control groups and devices, and a power that can be cut.

Everything is emulated, since the machines of these tests lend no virtualization: a boot takes a minute where a
container takes a second. Commands go to QEMU's guest agent, devices come and go by its monitor (QMP).
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.edge_agent.support import wait_until
from tests.system.booted import Booted
from tools import processes

LINE = "ttyS1"
PACKAGES = ("dbus", "systemd-sysv", "linux-image-amd64", "qemu-guest-agent", "udev")
MOST_BOOT_S = 600.0
_COMMAND_S = 600.0
_MEMORY_MB = 3072


class RefusedError(Exception):
    """QEMU, or the agent in it, does not do what it was told."""


class Computer(Booted):
    """One that boots from `disk`, whose root is what `root` says (as the kernel's `root=`), until it is halted."""

    def __init__(self, folder: Path, tree: Path, disk: Path, root: str) -> None:
        """Args: `tree`: where kernel and initial file system are taken from, as boards' firmware does."""
        if shutil.which("qemu-system-x86_64") is None:
            pytest.skip("NOT EXERCISED: qemu-system-x86_64 is missing: apt-get install qemu-system-x86")
        self._folder, self._console = folder, folder / "console.log"
        kernel, initrd = (next((tree / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd.img"))
        line = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-smp", "2", "-m", str(_MEMORY_MB)]
        line += ["-nodefaults", "-nographic", "-no-reboot", "-serial", f"file:{self._console}", "-serial", "pty"]
        # Against what other programs of the emulated processor could overhear: that costs, and there is nobody.
        given = f"root={root} rw console=ttyS0 quiet mitigations=off"
        line += ["-kernel", str(kernel), "-initrd", str(initrd), "-append", given]
        line += ["-drive", f"file={disk},format=raw,if=virtio", "-device", "qemu-xhci", "-device", "virtio-serial"]
        line += ["-chardev", f"socket,path={folder}/agent,server=on,wait=off,id=agent"]
        line += ["-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"]
        self._line = [*line, "-qmp", f"unix:{folder}/monitor,server=on,wait=off"]
        self._process: subprocess.Popen[bytes] | None = None

    def boot(self) -> float:
        """Start it, until it answers; the seconds that it took. Skips where that is too slow."""
        began_s = time.monotonic()
        with (self._folder / "qemu.log").open("ab") as log:
            self._process = processes.start(self._line, log, log)
        while not self._is_up():
            assert self._process.poll() is None, (self._folder / "qemu.log").read_text(errors="replace")[-2000:]
            if time.monotonic() - began_s > MOST_BOOT_S:
                self.cut()
                last = self._console.read_text(errors="replace").strip().splitlines()[-1:]
                pytest.skip(f"NOT EXERCISED: emulation is too slow here: after {MOST_BOOT_S:g} s at {last}")
            time.sleep(0.5)
        return time.monotonic() - began_s

    def _is_up(self) -> bool:
        try:
            return self.run("/usr/bin/true").returncode == 0
        except OSError:  # nobody answers yet
            return False

    def cut(self) -> None:
        """Take the power from it: what its kernel had not written is lost."""
        if self._process:
            self._process.kill()
            processes.stop(self._process)
            self._process = None

    def halt(self) -> None:
        """Shut it down in order."""
        if self._process:
            with contextlib.suppress(OSError):
                self._ask_agent("guest-shutdown", answers=False)
            self._process.wait(_COMMAND_S)
            self.cut()

    def run(self, *line: str, check: bool = False, given: bytes = b"") -> subprocess.CompletedProcess[str]:
        """A command in it, as root."""
        what: dict[str, Any] = {"path": line[0], "arg": line[1:], "capture-output": True, "input-data": _encoded(given)}
        pid = self._ask_agent("guest-exec", **what)["pid"]
        found: dict[str, Any] = {}

        def ended() -> bool:
            found.update(self._ask_agent("guest-exec-status", pid=pid))
            return bool(found["exited"])

        wait_until(ended, f"the end of {line}", _COMMAND_S)
        out, err = (base64.b64decode(found.get(name, "")).decode() for name in ("out-data", "err-data"))
        done = subprocess.CompletedProcess(line, found.get("exitcode", -1), out, err)
        assert not check or done.returncode == 0, f"{line}: {out}{err}"
        return done

    def write(self, path: str, content: bytes) -> None:
        """A file in it."""
        self.run("dd", f"of={path}", "status=none", check=True, given=content)

    def line(self) -> Path:
        """The host's end of its serial line, whose other end is `LINE`."""
        known = {each["label"]: each["filename"] for each in self._ask_monitor("query-chardev")}
        return Path(known["serial1"].removeprefix("pty:"))

    def plug_in(self, stick: Path) -> None:
        """Plug a USB stick in, with that content."""
        node = {"driver": "raw", "node-name": "stick", "file": {"driver": "file", "filename": str(stick)}}
        self._ask_monitor("blockdev-add", **node)
        self._ask_monitor("device_add", driver="usb-storage", id="plug", drive="stick", removable=True)

    def pull_out(self) -> None:
        """Pull the stick out."""
        self._ask_monitor("device_del", id="plug")
        wait_until(lambda: not self._has_stick(), "the stick to be gone")
        wait_until(self._forgets_stick, "QEMU to be done with the stick")

    def _forgets_stick(self) -> bool:
        """What it was for a device ends a moment after that."""
        try:
            self._ask_monitor("blockdev-del", **{"node-name": "stick"})
        except RefusedError:
            return False
        return True

    def _has_stick(self) -> bool:
        return any(device["name"] == "plug" for device in self._ask_monitor("qom-list", path="/machine/peripheral"))

    def _ask_agent(self, what: str, answers: bool = True, **arguments: Any) -> Any:
        with _connected(self._folder / "agent") as stream:
            # A byte that is no JSON ends what an earlier question left; the answer to this one is known by its number.
            mark = time.monotonic_ns() >> 16
            stream.write(b"\xff" + _line("guest-sync-delimited", id=mark))
            while json.loads(stream.readline().rpartition(b"\xff")[2] or b"{}").get("return") != mark:
                pass
            stream.write(_line(what, **arguments))
            return _answer(stream.readline()) if answers else None

    def _ask_monitor(self, what: str, **arguments: Any) -> Any:
        with _connected(self._folder / "monitor") as stream:
            stream.readline()  # its greeting
            for line in (_line("qmp_capabilities"), _line(what, **arguments)):
                stream.write(line)
                while b'"event"' in (told := stream.readline()):
                    pass
            return _answer(told)


@contextlib.contextmanager
def _connected(path: Path) -> Iterator[Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(str(path))
        with connection.makefile("rwb", buffering=0) as stream:
            yield stream


def _line(what: str, **arguments: Any) -> bytes:
    return json.dumps({"execute": what, "arguments": arguments}).encode() + b"\n"


def _answer(line: bytes) -> Any:
    told = json.loads(line)
    if "return" not in told:
        raise RefusedError(told)
    return told["return"]


def _encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()
