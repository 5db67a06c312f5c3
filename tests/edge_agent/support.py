"""Real bundles, a real agent process and a real subscriber for the agent's tests."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from firmware_profiles import bundle, topics, wire
from firmware_profiles.manifest import InputSpec, Limits, Manifest, Model, OutputSpec, RuntimeClaim, Tensor

MODELS = Path(__file__).parent / "models"
TIMEOUT_S = 30.0
_COMMAND_S = 120.0
"""A command may start processes of its own, one after the other, on two busy cores."""
LITERT = (RuntimeClaim("litert", "xnnpack", "2.1.0", 1e-4), RuntimeClaim("litert", "none", "2.1.0", 1e-4))
NULL = (RuntimeClaim("null", "none", "1", 1e-6),)


def images(count: int, seed: int = 1) -> Any:
    """Gray images uint8 [count, 6, 6], as the small models take them."""
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 6), np.uint8)


def model(**changes: Any) -> Model:
    """The description of `tiny-float32.tflite`."""
    values: dict[str, Any] = {
        "name": "tiny",
        "task": "classification",
        "file": "models/tiny.tflite",
        "format": "tflite",
        "precision": "float32",
        "recipe": "tflite-float32",
        "inputs": [Tensor("image", [1, 6, 6, 1], "float32")],
        "outputs": [Tensor("classes", [1, 3], "float32")],
        "pre": InputSpec(kind="image", height=6, width=6, colour="gray", scale=1 / 255),
        "post": OutputSpec(),
        "runtimes": list(LITERT),
        "golden": "golden.npz",
        "labels": ["ant", "bee", "cat"],
    }
    return Model(**{**values, **changes})


def golden(of: Model, content: bytes, seed: int = 3) -> bytes:
    """Golden vectors of a model, by running it on its first runtime."""
    from edge_agent.deployment import Deployment
    from edge_agent.pipeline import open_pipeline
    from edge_agent.runtimes.base import Opening

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / of.file).parent.mkdir(parents=True)
        (Path(folder) / of.file).write_bytes(content)
        pipeline = open_pipeline(Deployment(Path(folder), manifest(of)), of, of.runtimes[0], Opening())
        inputs = images(16, seed)
        columns = zip(*(pipeline.outputs(raw) for raw in inputs), strict=True)
        outputs = {f"y{index}": np.stack([np.ravel(each) for each in column]) for index, column in enumerate(columns)}
    stream = io.BytesIO()
    np.savez(stream, x=inputs, **outputs)
    return stream.getvalue()


def manifest(of: Model, **changes: Any) -> Manifest:
    """A deployment of one model for this machine."""
    from firmware_profiles.profile import userland_arch

    values: dict[str, Any] = {
        "name": "tiny",
        "version": "1.0",
        "godwit": "0.1.0",
        "profiles": ["linux-x86_64"],
        "arch": userland_arch(),
        "models": [of],
        "limits": Limits(100, 1000),
    }
    return Manifest(**{**values, **changes})


def write_bundle(
    path: Path, of: Model | None = None, content: bytes | None = None, golden_from: bytes | None = None, **changes: Any
) -> Path:
    """A bundle of `content` (by default tiny-float32.tflite); `golden_from`: the model that is promised."""
    of = of or model()
    content = content or (MODELS / "tiny-float32.tflite").read_bytes()
    members = {of.file: content}
    if of.golden:
        members[of.golden] = golden(of, golden_from or content)
    bundle.write(path, manifest(of, **changes), members)
    return path


def null_bundle(path: Path, **changes: Any) -> Path:
    """A bundle without a real model: every answer is zeros."""
    of = model(file="models/null.json", format="null", runtimes=list(NULL))
    return write_bundle(path, of, b'{"outputs": [[1, 3]]}', **changes)


def agent(*arguments: str | Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run `edge-agent` to its end."""
    command = [sys.executable, "-m", "edge_agent", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=check)


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Poll until it holds, or fail."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        time.sleep(0.02)


class Device:
    """A device root with an installed bundle, and its agent."""

    def __init__(self, folder: Path, bundle_path: Path, broker_url: str, name: str = "d1", listen: str = "") -> None:
        """Install; `listen` is for HTTP, "127.0.0.1:0" for a port that `status` tells."""
        self.root = folder / "device"
        agent("install", bundle_path, "--root", self.root, "--device-id", name, "--broker", broker_url, check=True)
        self.configure(f'[http]\nlisten = "{listen}"')

    def configure(self, text: str) -> None:
        """Add TOML to the device's configuration."""
        with (self.root / "etc" / "agent.toml").open("a", encoding="utf-8") as stream:
            stream.write(f"\n{text}\n")

    def replay(self, path: Path, rate: float = 0) -> None:
        """Configure a replay source."""
        self.configure(f'[[source]]\nname = "replay"\nkind = "replay"\npath = {json.dumps(str(path))}\nrate = {rate}')

    @contextmanager
    def running(
        self, program: Sequence[str] = ("-m", "edge_agent"), stdin: int | None = None
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The agent, for the time of the block."""
        process = subprocess.Popen([sys.executable, *program, "run", "--root", str(self.root)], stdin=stdin)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(TIMEOUT_S)
            finally:
                process.kill()

    def status(self) -> Mapping[str, Any]:
        """status.json; empty before the first one."""
        try:
            found: Mapping[str, Any] = json.loads((self.root / "run" / "status.json").read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def spooled(self, kind: str) -> list[Any]:
        """Messages of a class that wait in the spool of a stopped agent."""
        import sqlite3

        with sqlite3.connect(self.root / "var" / "spool.db") as connection:
            rows = connection.execute(f"SELECT payload FROM {kind} ORDER BY seq")  # noqa: S608  # a class has a table
            return [wire.decode(kind, payload) for (payload,) in rows]


class Subscriber:
    """A client that is subscribed to everything, and forgets nothing while the broker is away.

    Attributes:
        subscribed: set while it is.
    """

    def __init__(self, port: int) -> None:
        self._messages: list[tuple[str, Any]] = []
        self.subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "test-subscriber", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 1)
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
        properties.SessionExpiryInterval = 3600
        self._client.connect("127.0.0.1", port, clean_start=False, properties=properties)

    def __enter__(self) -> Subscriber:
        self._client.loop_start()
        assert self.subscribed.wait(TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: Client, *_: object) -> None:
        client.subscribe(topics.subscription(), qos=1)

    def _on_message(self, _client: Client, _: object, message: Any) -> None:
        topic = topics.parse_topic(message.topic)
        assert topic is not None
        self._messages.append((topic.kind, wire.decode(topic.kind, message.payload)))

    def of(self, kind: str) -> list[Any]:
        """The messages of one kind, in the order of arrival."""
        return [message for found, message in list(self._messages) if found == kind]

    def events(self) -> list[str]:
        """Names of the events so far."""
        return [event.name for event in self.of("event")]
