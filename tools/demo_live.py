"""The demo's live part: broker, subscriber and agent, with an outage of the broker in the middle."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from firmware_profiles.errors import GodwitError, Problem
from tools import processes
from tools.broker import Broker

OUTAGE_S = 3.0
_LIMIT_S = 60.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.1
_QUIET_S = 5.0
_SETTLED_S = 0.3
_NEVER = (0.0, 0.0)
_MB = 1e6


class Commands(NamedTuple):
    """What is started, as typed."""

    watch: list[str]
    agent: list[str]


class Live(NamedTuple):
    """What came of it.

    Attributes:
        predictions: documents of `godwit watch --json`, repeats included, in the order of arrival.
        cold_start_ms: exec of the agent to the time of its first prediction.
        made_in_outage: how many predictions bear a time at which no broker ran.
        supervisor_pss_mb, worker_pss_mb: at the end of the replay, in 10⁶ bytes.
    """

    predictions: list[dict[str, Any]]
    cold_start_ms: float
    made_in_outage: int
    supervisor_pss_mb: float
    worker_pss_mb: float


class Demo:
    """One live run. `run` starts everything, and nothing is left when it ends, however it ends."""

    def __init__(
        self,
        folder: Path,
        root: Path,
        broker: Broker,
        produced: int,
        say: Callable[[str], None],
        received: Callable[[int], None],
    ) -> None:
        """Replay `produced` items; `say` takes remarks, `received` the count of answered inputs."""
        self._folder = folder
        self._root = root
        self._broker = broker
        self._produced = produced
        self._say = say
        self._received = received
        self._lines: queue.Queue[dict[str, Any]] = queue.Queue()
        self._predictions: list[dict[str, Any]] = []
        self._inputs: set[tuple[str, int]] = set()
        self._outage = _NEVER

    def run(self, commands: Commands) -> Live:
        """Replay everything, and take the broker away in the middle.

        Raises:
            GodwitError: predictions did not arrive in time; the logs' names are told.
        """
        with self._broker, (self._folder / "agent.log").open("wb") as log:
            watch = processes.start(commands.watch, subprocess.PIPE, log)
            try:
                threading.Thread(target=self._read, args=(watch,), daemon=True).start()
                self._wait_for_subscription()
                self._say(f"{self._broker.name} listens on {self._broker.url}; godwit watch is subscribed")
                started = time.time()
                agent = processes.start(commands.agent, log, log)
                try:
                    self._replay(agent)
                    pss = [_pss_mb(pid) for pid in self._pids()]
                finally:
                    processes.stop(agent)
                self._wait_for("the agent's goodbye", lambda line: line.get("message", {}).get("state") == "stopped")
            finally:
                processes.stop(watch)
        first = min(_moment(line) for line in self._predictions)
        away = sum(self._outage[0] < _moment(line) < self._outage[1] for line in self._predictions)
        return Live(self._predictions, 1000 * (first - started), away, *pss)

    def _read(self, watch: subprocess.Popen[bytes]) -> None:
        assert watch.stdout
        for line in watch.stdout:
            self._lines.put(json.loads(line))

    def _replay(self, agent: subprocess.Popen[bytes]) -> None:
        """Until every input is answered, or no more can come; with an outage after a third of them."""
        deadline = time.monotonic() + _LIMIT_S
        quiet_since = time.monotonic()
        while len(self._inputs) < self._produced:
            if time.monotonic() > deadline:
                raise self._late(f"{self._produced} predictions", f"{len(self._inputs)} within {_LIMIT_S:g} s")
            line = self._take(_POLL_S)
            if line:
                quiet_since = time.monotonic()
                if self._outage == _NEVER and 3 * len(self._inputs) >= self._produced:
                    self._take_the_broker_away(agent)
            elif self._inputs and time.monotonic() > quiet_since + _QUIET_S and self._all_acknowledged():
                break
        self._say(f"{len(self._inputs)} of {self._produced} inputs answered")

    def _take_the_broker_away(self, agent: subprocess.Popen[bytes]) -> None:
        self._say(f"{len(self._inputs)} predictions received; the broker is stopped for {OUTAGE_S:g} s …")
        with self._held(agent):
            self._broker.stop()
        stopped = time.time()
        time.sleep(OUTAGE_S)
        with self._held(agent):
            self._broker.start()
            if not self._broker.keeps_messages:
                self._wait_for_subscription()
        self._outage = (stopped, time.time())
        self._say("… and started again")

    @contextmanager
    def _held(self, agent: subprocess.Popen[bytes]) -> Iterator[None]:
        """Nothing is under way and the agent sends nothing, where the broker would lose it."""
        if self._broker.keeps_messages:
            yield
            return
        agent.send_signal(signal.SIGSTOP)
        try:
            time.sleep(_SETTLED_S)
            yield
        finally:
            agent.send_signal(signal.SIGCONT)

    def _all_acknowledged(self) -> bool:
        """Whether the broker has every answer that there will be: what is not here by now is lost."""
        status = self._status()
        return status["spool_messages"] == 0 and all(state == "ended" for state in status["sources"].values())

    def _wait_for_subscription(self) -> None:
        self._wait_for("the subscription", lambda line: line.get("state") == "subscribed")

    def _wait_for(self, what: str, is_it: Callable[[dict[str, Any]], bool]) -> None:
        deadline = time.monotonic() + _STOP_LIMIT_S
        while not ((line := self._take(_POLL_S)) and is_it(line)):
            if time.monotonic() > deadline:
                raise self._late(what, f"nothing within {_STOP_LIMIT_S:g} s")

    def _take(self, longest_s: float) -> dict[str, Any] | None:
        try:
            line = self._lines.get(timeout=longest_s)
        except queue.Empty:
            return None
        if line["kind"] == "prediction":
            self._predictions.append(line)
            answered = line["message"]["input"]
            self._inputs.add((answered["source"], answered["position"]))
            self._received(len(self._inputs))
        elif line["kind"] == "event" and line["message"]["severity"] != "info":
            self._say(f"event: {line['message']['name']}: {line['message']['text']}")
        return line

    def _late(self, expected: str, found: str) -> GodwitError:
        return GodwitError(Problem("demo", expected, found, f"read {self._folder / 'agent.log'}"))

    def _pids(self) -> tuple[int, int]:
        status = self._status()
        return status["supervisor_pid"], status["worker_pid"]

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads((self._root / "run" / "status.json").read_text(encoding="utf-8"))
        return status


def _moment(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["message"]["time"].replace("Z", "+00:00")).timestamp()


def _pss_mb(pid: int) -> float:
    """Proportional set size: what the process alone holds, plus its share of what it shares."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    kib = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return kib * 1024 / _MB
