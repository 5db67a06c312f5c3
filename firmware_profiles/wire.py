"""The wire: MQTT topics and messages. The only place where either is built or parsed.

Topics are `godwit/<device>/<rest>`; payloads are JSON of the structs below. `docs/wire.md` is
generated from this module.

A message is identified by (device, class, `spool`, `seq`): `seq` counts the messages of a class and
survives restarts; `spool` names the file that counts, and changes only when a damaged spool had to
be set aside. A repeat of a message has the same identity, so a receiver can drop it, and a missing
number is a lost message.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from firmware_profiles.words import NAME_PATTERN

ROOT = "godwit"
MAX_MESSAGE_BYTES = 1 << 20

MessageClass = Literal["event", "prediction", "telemetry"]
CLASSES: tuple[MessageClass, ...] = ("event", "prediction", "telemetry")
"""Most important first: what is dropped when a spool is full is dropped from the other end."""

Device = Annotated[str, Meta(pattern=NAME_PATTERN)]


class Topic(NamedTuple):
    """A parsed topic: `godwit/<device>/<kind>[/<model>]`."""

    device: str
    kind: str
    model: str = ""


def topic(device: str, kind: str, model: str = "") -> str:
    """The topic of `kind` ("status", "info", "event", "telemetry", "prediction") of a device."""
    return "/".join(filter(None, (ROOT, device, kind, model)))


def subscription(device: str = "+") -> str:
    """Filter that matches everything one device (or every device) says."""
    return f"{ROOT}/{device}/#"


def parse_topic(text: str) -> Topic | None:
    """The parts of one of our topics; None for any other."""
    root, *rest = text.split("/")
    if root != ROOT or not 2 <= len(rest) <= 3 or not all(rest):
        return None
    return Topic(*rest)


class Input(msgspec.Struct, frozen=True):
    """Which input a prediction answers; the same after any restart.

    Attributes:
        source: name of the source in the agent's configuration.
        position: where in the source: an index in a data set, a file's name in a folder.
    """

    source: str
    position: int | str


class ClassScore(msgspec.Struct, frozen=True):
    """One class of a classification; `score` is a probability where the model gives one."""

    index: int
    label: str
    score: float


class Classification(msgspec.Struct, frozen=True, tag="classification", tag_field="task"):
    """The best classes, best first."""

    top: list[ClassScore]


class Regression(msgspec.Struct, frozen=True, tag="regression", tag_field="task"):
    """The values of the model's output, flattened in C order."""

    values: list[float]


Result = Classification | Regression


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What every message carries.

    Attributes:
        seq: number of the message in its class and `spool`, from 1.
        spool: eight hexadecimal digits that name the file which counts.
        boot: first eight hexadecimal digits of the kernel's boot id.
        uptime_ms: milliseconds since that boot (CLOCK_BOOTTIME), right even where `time` is not.
        time: when it happened, by the device's clock.
        clock_trusted: whether that clock was synchronised.
    """

    seq: int
    spool: str
    boot: str
    uptime_ms: int
    time: datetime
    clock_trusted: bool


class Prediction(Header, frozen=True, kw_only=True):
    """`godwit/<device>/prediction/<model>`: one answer to one input.

    Attributes:
        version: of the deployment.
        latency_ms: of pre-processing, inference and post-processing.
    """

    model: str
    version: str
    input: Input
    latency_ms: float
    result: Result


class Telemetry(Header, frozen=True, kw_only=True):
    """`godwit/<device>/telemetry`: how the device does, over the time since the last such message.

    Attributes:
        predictions: how many were made since the agent started.
        latency_p50_ms, latency_p95_ms: of the most recent predictions; None before the first.
        worker_rss_bytes, supervisor_rss_bytes: resident memory of the two processes.
        spool_messages, spool_bytes: waiting to be acknowledged.
        dropped: messages that a full spool dropped since it was made, by class.
        temperature_c: by the profile's sensor; None where there is none.
    """

    predictions: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    worker_rss_bytes: int
    supervisor_rss_bytes: int
    spool_messages: int
    spool_bytes: int
    dropped: dict[str, int]
    temperature_c: float | None


class Event(Header, frozen=True, kw_only=True):
    """`godwit/<device>/event`: something a person may want to know.

    Attributes:
        name: a word for programs, as in `EVENTS`.
        text: a sentence for people.
        input: the input it is about, if any: it will have no prediction.
    """

    name: str
    severity: Literal["info", "warning", "error"]
    text: str
    input: Input | None = None


EVENTS = {
    "started": "the agent started",
    "ready": "the deployment passed its self-test and its sources opened",
    "model_refused": "a model disagrees with its golden vectors, or the bundle is damaged; it is not run",
    "runtime_fallback": "a listed runtime could not be used and the next one is",
    "worker_died": "the worker ended and will be started again",
    "input_rejected": "an input could not be read, has the wrong shape, or gave no finite answer",
    "source_ended": "a source has no more inputs",
    "source_failed": "a source could not be opened or read",
    "http_unavailable": "HTTP cannot listen where it should; the agent goes on without",
    "spool_replaced": "a damaged spool was set aside and a new one begun",
}


class Status(msgspec.Struct, frozen=True):
    """`godwit/<device>/status`, retained.

    `online` while connected, `stopped` after an orderly stop, `offline` by the last will.
    """

    state: Literal["online", "stopped", "offline"]
    time: datetime


class SkippedRuntime(msgspec.Struct, frozen=True):
    """A runtime that was listed but not used, and why."""

    runtime: str
    delegate: str
    reason: str


class RuntimeInUse(msgspec.Struct, frozen=True):
    """What really runs a model.

    Attributes:
        delegated_nodes, nodes: how many of the model's nodes the delegate took; None if unknown.
        skipped: what was listed before it.
    """

    runtime: str
    delegate: str
    version: str
    delegated_nodes: int | None
    nodes: int | None
    skipped: list[SkippedRuntime] = []


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """`godwit/<device>/info`, retained: what this device is and runs."""

    device: str
    agent: str
    profile: str
    deployment: str
    version: str
    models: dict[str, RuntimeInUse]


Message = Prediction | Telemetry | Event | Status | Info

MESSAGES: dict[str, type[Message]] = {
    "prediction": Prediction,
    "telemetry": Telemetry,
    "event": Event,
    "status": Status,
    "info": Info,
}
"""What the third level of a topic announces."""

_DECODERS = {kind: msgspec.json.Decoder(type_) for kind, type_ in MESSAGES.items()}


def decode(kind: str, payload: bytes) -> Message:
    """Parse a message of `kind`, the third level of its topic.

    Raises:
        ValueError: the kind is unknown, the message is longer than 1 MiB, or it is not such a message
            (msgspec's errors are ValueErrors).
    """
    if kind not in _DECODERS:
        raise ValueError(f"no message is called {kind!r}")
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    try:
        return _DECODERS[kind].decode(payload)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


encode = msgspec.json.encode
