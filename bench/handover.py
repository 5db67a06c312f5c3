"""How long nothing is predicted, and how long a request waits, when another deployment takes over in a real agent.

A steady replay is its source. The times of predictions are those at which the worker had each answer (`uptime_ms`,
whole milliseconds), so neither broker nor subscriber is in them; those of requests are HTTP's, as the client has
them. Each way is measured in turn, in one run, on one machine.
"""

from __future__ import annotations

import itertools
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from bench.flight import AGENT, edge_agent, replay
from bench.say import say
from bench.waits import Asker, now_ms
from firmware_profiles import atomic, bundle, wire
from firmware_profiles.bundle import Bundle
from tools import processes
from tools.broker import Broker, free_port

RATE = 200
SWITCHES = 10
_WAYS = {
    "both workers side by side": 0,
    "memory for one only: stop, prove, switch": 10**9,
    "the whole agent stopped and started": -1,
}
_QUIET_S = 2.0
_ITEMS = RATE * 240  # more than any run takes
_TIMEOUT_S = 120.0


class Gaps(NamedTuple):
    """Of one way, for each switch, in milliseconds: the longest time around it, and in two seconds without one.

    Attributes:
        between: two predictions.
        waiting: of a request for its answer.
    """

    way: str
    between: list[tuple[float, float]]
    waiting: list[tuple[float, float]]


class _Heard:
    """Every prediction: when it was made, and of which version."""

    def __init__(self, port: int) -> None:
        self.all: list[tuple[int, str]] = []
        self._seen: set[int] = set()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("godwit/+/prediction/+", 1)
        self._client.on_message = lambda _client, _data, message: self._take(bytes(message.payload))
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, payload: bytes) -> None:
        prediction = msgspec.json.decode(payload, type=wire.Prediction)
        if prediction.seq not in self._seen:  # a repeat, after the agent was stopped
            self._seen.add(prediction.seq)
            self.all.append((prediction.uptime_ms, prediction.version))

    def wait_for(self, version: str, count: int) -> None:
        """Until so many predictions of `version` came, from now on."""
        begin, deadline_s = len(self.all), time.monotonic() + _TIMEOUT_S
        while sum(each[1] == version for each in self.all[begin:]) < count:
            assert time.monotonic() < deadline_s, f"no prediction of {version}"
            threading.Event().wait(0.05)

    def stop(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def measure(path: Path, data: Path) -> list[Gaps]:
    """Switch to and fro between two versions of the bundle at `path`, in each way, while `data` is replayed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = np.load(data)["x"]
        long = folder / "long.npz"
        np.savez(long, x=np.resize(items, (_ITEMS, *items.shape[1:])))
        return [_measure(way, path, long, folder / str(index)) for index, way in enumerate(_WAYS)]


def _measure(way: str, path: Path, data: Path, folder: Path) -> Gaps:
    say(f"handover: {way}")
    (folder / "broker").mkdir(parents=True)
    memory_mb = _WAYS[way]
    root = folder / "device"
    with Broker(folder / "broker") as broker:
        edge_agent("install", path, "--root", root, "--broker", broker.url)
        port = free_port()
        with (root / "etc" / "agent.toml").open("a", encoding="utf-8") as configuration:
            configuration.write(replay(data, RATE).replace('listen = ""', f'listen = "127.0.0.1:{port}"'))
        versions = _versions(path, folder, root, max(memory_mb, 0))
        with Bundle(path) as opened:
            model = opened.manifest.models[0].name
        heard, asker = _Heard(broker.port), Asker(port, model, np.load(data)["x"][0])
        try:
            return _switch(way, root, versions, heard, asker, restarting=memory_mb < 0)
        finally:
            asker.stop()
            heard.stop()


def _versions(path: Path, folder: Path, root: Path, memory_mb: int) -> dict[str, str]:
    """Version → slot; both slots hold the same model under two versions, which wants `memory_mb`."""
    found = {}
    for slot, version in (("a", "1.0"), ("b", "2.0")):
        with Bundle(path) as first:
            of, members = first.manifest, {name: first.read(name) for name in first.manifest.files}
        models = [msgspec.structs.replace(each, memory_mb=memory_mb or each.memory_mb) for each in of.models]
        changed = msgspec.structs.replace(of, version=version, models=models)
        bundle.write(folder / f"{version}.godwit", changed, members)
        with Bundle(folder / f"{version}.godwit") as made:
            (root / "slots" / slot).mkdir(exist_ok=True)
            made.extract(root / "slots" / slot)
        found[version] = slot
    return found


def _switch(way: str, root: Path, versions: dict[str, str], heard: _Heard, asker: Asker, *, restarting: bool) -> Gaps:
    turned_ms = []
    agent = _start(root)
    try:
        heard.wait_for("1.0", int(RATE * _QUIET_S))
        for version in itertools.islice(itertools.cycle(["2.0", "1.0"]), SWITCHES):
            turned_ms.append(now_ms())
            atomic.replace_link(root / "slots" / "active", versions[version])
            if restarting:
                processes.stop(agent)
                agent = _start(root)
            heard.wait_for(version, int(RATE * _QUIET_S))
    finally:
        processes.stop(agent)
    times_ms = [each[0] for each in heard.all]
    first_ms = [at_ms for (_, before), (at_ms, version) in itertools.pairwise(heard.all) if version != before]
    between, waiting = [], []
    for turned, first in zip(turned_ms, first_ms, strict=True):
        around, before = (turned - 50, first + 500), (turned - _QUIET_S * 1e3, turned - 50)
        between.append((_longest(times_ms, *around), _longest(times_ms, *before)))
        waiting.append((asker.longest_ms(*around), asker.longest_ms(*before)))
    return Gaps(way, between, waiting)


def _start(root: Path) -> subprocess.Popen[bytes]:
    return processes.start([AGENT, "run", "--root", root], subprocess.DEVNULL, subprocess.DEVNULL)


def _longest(times_ms: Sequence[float], begin_ms: float, end_ms: float) -> float:
    within = [each for each in times_ms if begin_ms <= each <= end_ms]
    return max((after - before for before, after in itertools.pairwise(within)), default=0.0)


def report(found: Sequence[Gaps]) -> list[str]:
    """The part of bench/updates.md about the switch."""
    lines = [
        "## Longest gap between two predictions at the switch",
        "",
        f"A replay of {RATE} inputs a second ({1e3 / RATE:g} ms apart) and requests over HTTP, one after the other;",
        f"{SWITCHES} switches in each way. Milliseconds: median (largest) of the longest around each switch, and in",
        "two seconds before it.",
        "",
        "| way | between two predictions | before | a request waits | before |",
        "|---|---|---|---|---|",
    ]
    for gaps in found:
        columns = [[each[side] for each in kind] for kind in (gaps.between, gaps.waiting) for side in (0, 1)]
        told = (f"{statistics.median(column):.0f} ({max(column):.0f})" for column in columns)
        lines.append(f"| {gaps.way} | {' | '.join(told)} |")
    return [*lines, ""]
