"""A Debian that boots a real systemd as its first process, by systemd-nspawn, on a network of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.edge_agent.support import wait_until
from tests.fleet.authorities import OwnBroker
from tools import processes
from tools.broker import Broker

_BOOT_S = 120.0
# One hierarchy of control groups, and the right to filter devices in it: what a device of today has.
_SETTINGS = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"}
# nspawn's own filter would forbid them: to filter devices, and to ask whether the clock is synchronised.
_CALLS = "bpf adjtimex clock_adjtime"
_CAPABILITIES = "CAP_BPF,CAP_PERFMON,CAP_NET_ADMIN"


class Booted(ABC):
    """A booted system: commands in it, and what its systemd says."""

    @abstractmethod
    def run(self, *line: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """A command in it, as root."""

    def shows(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def waits(self, unit: str, name: str, holds: Callable[[str], bool], timeout_s: float = 90.0) -> str:
        """The property, once it holds."""
        wait_until(lambda: holds(self.shows(unit, name)), f"{name} of {unit}", timeout_s)
        return self.shows(unit, name)

    def journal(self, unit: str) -> str:
        """What the journal has of it since the boot."""
        return self.run("journalctl", "--no-pager", "--boot", f"--unit={unit}", "--output=cat").stdout


class Machine(Booted):
    """A booted userland in `tree`, which it changes."""

    def __init__(self, tree: Path, log: Path, bound: Mapping[str, Path] = MappingProxyType({})) -> None:
        """Args: `log`: its console; `bound`: what folders in it are outside of it."""
        self.tree = tree
        self._log = log
        self._bound = [f"--bind={outside}:{inside}" for inside, outside in bound.items()]
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def boot(self) -> None:
        """Start it, unless it is started, until systemd says that it is up."""
        if self._process is None:
            self.start()
        wait_until(self._is_up, "systemd", _BOOT_S)

    def start(self) -> None:
        """Start it, and wait for nothing."""
        line = ["env", *(f"{name}={value}" for name, value in _SETTINGS.items()), "systemd-nspawn", "--quiet", "--boot"]
        line += ["--register=no", "--keep-unit", "--private-network", f"--system-call-filter={_CALLS}"]
        line += [f"--capability={_CAPABILITIES}", "--kill-signal=SIGRTMIN+3", *self._bound]
        line += ["--directory", str(self.tree)]
        with self._log.open("ab") as log:
            self._process = processes.start(line, log, log)

    def _is_up(self) -> bool:
        assert self._process
        assert self._process.poll() is None, self._log.read_text(errors="replace")[-2000:]
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        if not children:
            return False
        self._init = int(children[-1])
        return self.run("systemctl", "is-active", "default.target").stdout.strip() == "active"

    def halt(self) -> None:
        """Shut it down in order."""
        if self._process:
            os.kill(self._init, signal.SIGRTMIN + 4)  # systemd(1): poweroff
            self._process.wait(_BOOT_S)
            self._forget()

    def cut(self) -> None:
        """Take the power from it: no process of it does anything any more."""
        assert self._process
        os.kill(self._init, signal.SIGKILL)
        self._process.wait(_BOOT_S)
        self._forget()

    def is_down(self) -> bool:
        """Whether it went down by itself, and waits for a start."""
        if self._process is None or self._process.poll() is None:
            return False
        self._forget()
        return True

    def _forget(self) -> None:
        assert self._process
        processes.stop(self._process)
        self._process = None

    def run(self, *line: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """A command in it, as root."""
        enter = ["nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        done = subprocess.run([*enter, "--", *line], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        return done

    def beside(self) -> list[str]:
        """The start of a command line that runs a program of the host on the machine's network."""
        return ["nsenter", f"--target={self._init}", "--net", "--"]


class Inside(Broker):
    """A broker of the host on the loopback of `machine`, until that is halted; goes before its kind of broker."""

    machine: Machine

    def _find(self) -> list[str]:
        return [*self.machine.beside(), *super()._find()]

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _BOOT_S
        probe = [*self.machine.beside(), "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{self.port}"]
        while subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode != 0:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


class BrokerInside(Inside):
    """One that takes everybody."""

    def __init__(self, folder: Path, machine: Machine) -> None:
        self.machine = machine
        super().__init__(folder)
        self.port = 1883  # nothing else is on that network


class OwnBrokerInside(Inside, OwnBroker):
    """One of the authority in `folder`."""

    def __init__(self, place: Path, folder: Path, machine: Machine) -> None:
        self.machine = machine
        super().__init__(place, folder)
        self.port = 8883
