"""What the flow on the device costs: beside the bare runtime, and beside a bare paho publisher, in the same run."""

from __future__ import annotations

import json
import sqlite3
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.flight import AGENT, PYTHON, cpu_s, edge_agent, replay
from tools import processes
from tools.broker import Broker, free_port

PUBLISHER = Path(__file__).parent / "publisher.py"
_START_S = 20.0
_POLL_S = 0.005
SLOW_FSYNC_MS = 20
"""Of an SD card; FACTS.md imitates it like this."""
_SLOW_DISK = (
    *("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"),
    *("-e", f"inject=fsync,fdatasync:delay_exit={SLOW_FSYNC_MS * 1000}"),
)


class Throughput(NamedTuple):
    """Inputs replayed as fast as they go, without a broker.

    Attributes:
        each_us: time a prediction, from the first to the last.
        worker_us, supervisor_us: processor time a prediction.
    """

    each_us: float
    worker_us: float
    supervisor_us: float


class Steady(NamedTuple):
    """So many predictions a second, to a broker.

    Attributes:
        supervisor, publisher: share of a core that the supervisor takes, and a bare paho publisher of as
            many messages of the same size.
        durable_p95_ms: from the prediction to its commit.
    """

    supervisor: float
    publisher: float
    durable_p95_ms: float


@contextmanager
def running(
    bundle: Path, folder: Path, broker_url: str, configuration: str = "", under: Sequence[str] = ()
) -> Iterator[Path]:
    """A running agent, under another program if one is given; its root."""
    root = folder / "device"
    edge_agent("install", bundle, "--root", root, "--broker", broker_url)
    with (root / "etc" / "agent.toml").open("a", encoding="utf-8") as stream:
        stream.write(configuration)
    with (folder / "agent.log").open("wb") as log:
        agent = processes.start([*under, AGENT, "run", "--root", root], log, log)
        try:
            yield root
        finally:
            processes.stop(agent)


def throughput(bundle: Path, data: Path, items: int) -> Throughput:
    """Nobody listens: everything ends in the spool."""
    with tempfile.TemporaryDirectory() as name:
        nowhere = f"mqtt://127.0.0.1:{free_port()}"
        with running(bundle, Path(name), nowhere, replay(data)) as root:
            status = wait_for(root, items)
            used_s = [cpu_s(status["worker_pid"]), cpu_s(status["supervisor_pid"])]
        each_us = _each_us(root)
    return Throughput(each_us, *(seconds / status["predictions"] * 1e6 for seconds in used_s))


def steady(bundle: Path, data: Path, items: int, rate: int) -> Steady:
    """The supervisor at `rate` predictions a second, then the publisher."""
    with tempfile.TemporaryDirectory() as name, Broker(Path(name)) as broker:
        with running(bundle, Path(name), broker.url, replay(data, rate)) as root:
            status = wait_for(root, rate)  # a second of it, so that start-up is over
            began_s, before_s = time.monotonic(), cpu_s(status["supervisor_pid"])
            watch = Watch(root)
            wait_for(root, items - rate)
            share = (cpu_s(status["supervisor_pid"]) - before_s) / (time.monotonic() - began_s)
            durable_ms = watch.stop()
        command: list[str | Path] = [PYTHON, PUBLISHER, str(broker.port), str(rate), str(items // rate - 2)]
        publisher = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return Steady(share, publisher["share"], _p95(durable_ms))


def durable_on_a_slow_disk(bundle: Path, data: Path, items: int, rate: int) -> float:
    """From the prediction to its commit, where each fsync takes SLOW_FSYNC_MS: p95 in ms."""
    with (
        tempfile.TemporaryDirectory() as name,
        Broker(Path(name)) as broker,
        running(bundle, Path(name), broker.url, replay(data, rate), _SLOW_DISK) as root,
    ):
        wait_for(root, rate)
        watch = Watch(root)
        wait_for(root, items)
        return _p95(watch.stop())


class Watch:
    """Looks from outside at what is committed, and when."""

    def __init__(self, root: Path) -> None:
        self._path = root / "var" / "spool.db"
        self._delays_ms: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> list[float]:
        """Milliseconds from prediction to commit, one for each that was still there to be seen."""
        self._stopping.set()
        self._thread.join()
        return self._delays_ms

    def _run(self) -> None:
        connection = sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, isolation_level=None)
        (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM prediction").fetchone()
        while not self._stopping.wait(_POLL_S):
            now_ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) / 1e6
            found = connection.execute("SELECT seq, uptime_ms FROM prediction WHERE seq > ? ORDER BY seq", (last,))
            for last, uptime_ms in found.fetchall():  # noqa: B007  # the last one is kept
                self._delays_ms.append(now_ms - uptime_ms)
        connection.close()


def wait_for(root: Path, predictions: int) -> dict[str, Any]:
    """Its status, once the running agent has made so many predictions."""
    deadline_s = time.monotonic() + 120
    while time.monotonic() < deadline_s:
        if (root / "run" / "status.json").exists():
            status: dict[str, Any] = json.loads((root / "run" / "status.json").read_bytes())
            if status["predictions"] >= predictions:
                return status
        time.sleep(0.05)
    raise TimeoutError(f"{predictions} predictions")


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if values else 0.0


def _each_us(root: Path) -> float:
    with sqlite3.connect(root / "var" / "spool.db") as connection:
        found = connection.execute("SELECT count(*), min(uptime_ms), max(uptime_ms) FROM prediction").fetchone()
    count, first_ms, last_ms = found
    return float((last_ms - first_ms) / (count - 1) * 1e3)
