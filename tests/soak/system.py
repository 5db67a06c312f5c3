"""One running system for the storm: broker, proxy, the installed agent with two sources, a witness."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edge_agent.monitor.machine import rss_bytes
from tests.edge_agent.support import Device, images, null_bundle, wait_until
from tests.soak.faults import Faults
from tests.soak.proxy import Proxy
from tests.soak.witness import Witness
from tools import processes
from tools.broker import Broker

AGENT = Path(__file__).parents[2] / "build" / "agent-venv" / "bin" / "edge-agent"
RATE = 200
_FILES = 50
_PATIENCE_S = 60.0


class System:
    """Use `system`.

    Attributes:
        emitted: by the folder source: the names of all files that were put there.
    """

    def __init__(self, folder: Path, items: int, broker: Broker, proxy: Proxy, command: list[str]) -> None:
        self.faults = Faults(folder)
        self.emitted: list[str] = []
        self.broker = broker
        self.proxy = proxy
        self.device = Device(folder, null_bundle(folder / "b.godwit"), proxy.url)
        np.savez(folder / "d.npz", x=images(items))
        self.device.replay(folder / "d.npz", rate=RATE)
        self._folder = folder / "files"
        self._folder.mkdir()
        self.device.configure(f'[[source]]\nname = "files"\nkind = "folder"\npath = {json.dumps(str(self._folder))}')
        self.device.configure("[telemetry]\ninterval_s = 1")
        self._log = (folder / "agent.log").open("ab")
        self._command = ["/usr/bin/env", *self.faults.environment, *command, "run", "--root", str(self.device.root)]
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self.starts = 0

    @property
    def pid(self) -> int:
        """Of the supervisor."""
        assert self._process is not None
        return self._process.pid

    def worker_pid(self) -> int:
        """Of the worker; 0 while there is none."""
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii").split()
            return int(children[0]) if children else 0
        return 0

    def rss_mb(self) -> float:
        """Of the supervisor."""
        return rss_bytes(self.pid) / 1e6

    def start(self) -> None:
        """Start the agent, and again whenever it ends, as systemd does."""
        self._wanted = True
        self._run()
        self._keeper.start()

    def stop(self) -> None:
        """End it for good."""
        self._wanted = False
        self._keeper.join()
        assert self._process is not None
        processes.stop(self._process)
        self._log.close()

    def drain(self) -> int:
        """Let the agent send what it has, without sources; how many inputs of the replay it took before."""
        assert self._process is not None
        self._wanted = False
        self._keeper.join()
        processes.stop(self._process)
        config = self.device.root / "etc" / "agent.toml"
        config.write_text(config.read_text(encoding="utf-8").partition("[[source]]")[0], encoding="utf-8")
        self._run()
        started_s = time.time()
        status = self.device.root / "run" / "status.json"
        self._until(lambda: status.stat().st_mtime > started_s and self.device.status()["spool_messages"] == 0, "drain")
        processes.stop(self._process)
        with sqlite3.connect(self.device.root / "var" / "spool.db") as connection:
            (reached,) = connection.execute("SELECT position FROM reached WHERE source = 'replay'").fetchone()
        return int(reached) + 1

    def put_file(self) -> None:
        """The folder source emits one input."""
        name = f"{len(self.emitted):06d}.npy"
        temporary = self._folder / f".{name}"
        np.save(temporary, images(1)[0])
        os.replace(temporary.with_name(f"{temporary.name}"), self._folder / name)
        self.emitted.append(name)

    def remove_files(self, witness: Witness) -> None:
        """Those that were answered go, as a real folder is emptied."""
        for path in sorted(self._folder.glob("*.npy"))[:_FILES]:
            if witness.answered("files", path.name):
                path.unlink()

    def _run(self) -> None:
        self._process = processes.start(self._command, self._log, self._log)
        self.starts += 1

    def _keep(self) -> None:
        while self._wanted:
            assert self._process is not None
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
                if self._wanted:
                    self._run()

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        wait_until(holds, what, _PATIENCE_S)

    def kill(self, *pids: int) -> None:
        """SIGKILL to those that are there."""
        for pid in filter(None, pids):  # 0 would be this process and all of its group
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def system(folder: Path, items: int, command: list[str]) -> Iterator[tuple[System, Witness]]:
    """A running system; everything of it is in `folder`."""
    (folder / "broker").mkdir()
    booted_s = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    with Broker(folder / "broker") as broker, Proxy(broker) as proxy, Witness(broker.port, booted_s) as witness:
        running = System(folder, items, broker, proxy, command)
        running.start()
        try:
            yield running, witness
        finally:
            running.stop()
