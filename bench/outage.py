"""500 predictions a second, ten seconds without a broker, two SIGKILLs: what arrives."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from bench.flight import AGENT, edge_agent, replay
from tools import processes
from tools.broker import Broker

RATE = 500
SECONDS = 20
_AWAY_S = 10.0
_LIMIT_S = 90.0


class Outcome(NamedTuple):
    """What the subscriber has in the end.

    Attributes:
        produced: inputs in the file.
        lost: of them, without a message.
        twice: messages that came more than once, told by their identity.
        repeated: inputs that have more than one message.
        disordered: messages of a number below one that came before, repeats apart.
    """

    produced: int
    lost: int
    twice: int
    repeated: int
    disordered: int


class Listener:
    """A subscriber whose session the broker keeps."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[int, int]] = []
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "bench", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe("godwit/+/prediction/+", 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._heard
        self._client.reconnect_delay_set(1, 1)
        kept = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        kept.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=kept)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def stop(self) -> None:
        """Hear nothing more."""
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: Client, _: object, message: Any) -> None:
        told = json.loads(message.payload)
        self.messages.append((told["seq"], told["input"]["position"]))


def run(bundle: Path, data: Path) -> Outcome:
    """`data` has at least RATE × SECONDS items; so many are waited for."""
    items = RATE * SECONDS
    with tempfile.TemporaryDirectory() as name, Broker(Path(name)) as broker:
        root = Path(name) / "device"
        edge_agent("install", bundle, "--root", root, "--broker", broker.url)
        with (root / "etc" / "agent.toml").open("a", encoding="utf-8") as stream:
            stream.write(replay(data, RATE))
        listener = Listener(broker.port)
        with (Path(name) / "log").open("wb") as log:
            agent = processes.start([AGENT, "run", "--root", root], log, log)
            try:
                time.sleep(4)
                broker.stop()
                time.sleep(2)
                agent = _killed(agent, root, log)
                time.sleep(_AWAY_S - 2)
                broker.start()
                time.sleep(0.5)  # in the middle of what it catches up
                agent = _killed(agent, root, log)
                deadline_s = time.monotonic() + _LIMIT_S
                while len({position for _, position in listener.messages}) < items and time.monotonic() < deadline_s:
                    time.sleep(0.2)
            finally:
                processes.stop(agent)
        listener.stop()
    return judged(listener.messages, items)


def judged(messages: Sequence[tuple[int, int]], items: int) -> Outcome:
    """Of (number, position of the input) in the order of arrival."""
    seen: set[int] = set()
    first: list[int] = []
    for number, _ in messages:
        if number not in seen:
            seen.add(number)
            first.append(number)
    inputs = Counter(position for _, position in set(messages))
    return Outcome(
        items,
        len(set(range(items)) - set(inputs)),
        len(messages) - len(first),
        sum(count > 1 for count in inputs.values()),
        sum(later < earlier for earlier, later in itertools.pairwise(first)),
    )


def _killed(agent: subprocess.Popen[bytes], root: Path, log: Any) -> subprocess.Popen[bytes]:
    """The agent, killed and started again as systemd would."""
    agent.send_signal(signal.SIGKILL)
    agent.wait()
    return processes.start([AGENT, "run", "--root", root], log, log)
