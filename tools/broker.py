"""A real mosquitto on a free loopback port, which can be stopped and started again."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import time
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError
from tools import processes, unpacked

_START_TIMEOUT_S = 10.0
_POLL_S = 0.01


class Broker:
    """Use as a context manager, or call `start` and `stop` oneself.

    Attributes:
        name: of the program.
        keeps_messages: whether what it acknowledged outlives its restart and a subscriber's absence.
        port: on 127.0.0.1; the same after every start.
        url: `mqtt://127.0.0.1:PORT`.
    """

    name = "mosquitto"
    keeps_messages = True

    def __init__(self, folder: Path) -> None:
        """Keep configuration, log and persistent sessions in `folder`, which exists.

        Raises:
            UnavailableError: the program cannot be had.
        """
        self._folder = folder
        self._command = self._find()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            UnavailableError: it ended or did not listen; the log's last line says why.
        """
        config = self._folder / f"{self.name}.conf"
        config.write_text(self._configuration(self._folder), encoding="utf-8")
        with self._log.open("ab") as log:
            self._process = processes.start([*self._command, "-c", config], log, subprocess.STDOUT)
        try:
            self._wait_until_it_listens(self._process)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Stop it by SIGTERM, which makes it save its sessions and queues."""
        if self._process is not None:
            processes.stop(self._process)
            self._process = None

    def _find(self) -> list[str]:
        return unpacked.command("mosquitto")

    def _configuration(self, folder: Path) -> str:
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {folder}/",
            # By default it drops what is beyond 1000 messages for a subscriber that is away.
            "max_queued_messages 0",
        ]
        return "\n".join(lines) + "\n" + self._of_this_run()

    def _of_this_run(self) -> str:
        # As root it becomes another user by default, who may not write into this folder.
        return "log_dest stdout\n" + "user root\n" * (os.geteuid() == 0)

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not _listens(self.port):
            if process.poll() is not None or time.monotonic() > deadline:
                lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines() or ["an empty log"]
                raise UnavailableError(Problem(self.name, "a broker that listens", lines[-1], f"see {self._log}"))
            time.sleep(_POLL_S)

    @property
    def _log(self) -> Path:
        return self._folder / f"{self.name}.log"


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on now.

    Below the kernel's ephemeral range, so that no client takes it while the broker is stopped.
    """
    while True:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
