"""One run of the real agent, or of the peer, over a data set; timed from outside, at a subscriber."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from tools import processes
from tools.broker import Broker

PYTHON = Path(__file__).parents[1] / "build" / "agent-venv" / "bin" / "python"
AGENT = PYTHON.with_name("edge-agent")  # as installed on a device, with its .pyc files
GLUE = Path(__file__).parent / "glue.py"
_TIMEOUT_S = 120.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def edge_agent(*arguments: str | Path) -> None:
    """Run one command of the agent's own environment to its end."""
    subprocess.run([AGENT, *arguments], check=True, stdout=subprocess.DEVNULL)


class Flight(NamedTuple):
    """What was measured.

    Attributes:
        cold_start_ms: from exec to the moment of the first prediction.
        elapsed_s: from the first prediction to the arrival of the last one.
        cpu_s: of all processes, from their start to the arrival of the last prediction.
    """

    cold_start_ms: float
    elapsed_s: float
    cpu_s: float


class Counter:
    """A subscriber that knows when the n-th message came, and keeps the first."""

    def __init__(self, port: int, topic: str, count: int) -> None:
        self.first: dict[str, Any] = {}
        self.last_s = 0.0
        self.done = threading.Event()
        self._seen = 0
        self._count = count
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Counter:
        self._client.loop_start()
        assert self._subscribed.wait(_TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(self._topic, 1)

    def _on_message(self, _client: Client, _: object, message: Any) -> None:
        self._seen += 1
        if self._seen == 1:
            self.first = json.loads(message.payload)
        if self._seen == self._count:
            self.last_s = time.time()
            self.done.set()


def replay(data: Path, rate: float = 0) -> str:
    """The configuration of a source, and of nothing else that might cost."""
    source = f'[[source]]\nname = "bench"\nkind = "replay"\npath = {json.dumps(str(data))}\nrate = {rate}'
    return f'\n[http]\nlisten = ""\n{source}\n'


def fly(bundle: Path, data: Path, items: int) -> Flight:
    """The agent replays `items` inputs as fast as they go."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        root = Path(folder) / "device"
        install: list[str | Path] = [
            PYTHON,
            "-m",
            "edge_agent",
            "install",
            bundle,
            "--root",
            root,
            "--broker",
            broker.url,
        ]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        with (root / "etc" / "agent.toml").open("a", encoding="utf-8") as configuration:
            configuration.write(replay(data))
        log_path = Path(folder) / "agent.log"
        with Counter(broker.port, "godwit/+/prediction/+", items) as counter, log_path.open("wb") as log:
            started_s = time.time()
            agent = processes.start([AGENT, "run", "--root", root], log, log)
            try:
                assert counter.done.wait(_TIMEOUT_S), log_path.read_text(encoding="utf-8")
                status = json.loads((root / "run" / "status.json").read_bytes())
                used_s = cpu_s(status["supervisor_pid"]) + cpu_s(status["worker_pid"])
            finally:
                processes.stop(agent)
        first_s = datetime.fromisoformat(counter.first["time"]).timestamp()
        return Flight((first_s - started_s) * 1e3, counter.last_s - first_s, used_s)


def glue(model: Path, tensors: Path, items: int) -> Flight:
    """The peer does the same."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder)) as broker:
        with Counter(broker.port, "glue/prediction", items) as counter:
            started_s = time.time()
            command: list[str | Path] = [PYTHON, GLUE, model, tensors, str(broker.port)]
            done = subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
            assert counter.done.wait(_TIMEOUT_S)
        first_s = counter.first["time"]
        return Flight((first_s - started_s) * 1e3, counter.last_s - first_s, json.loads(done.stdout)["cpu_s"])


def cpu_s(pid: int) -> float:
    """User and system time of a process so far (proc(5): fields 14 and 15 of stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
