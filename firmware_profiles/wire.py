"""The wire: MQTT messages. The only place where one is built or parsed; topics are in topics.py, answers in results.py.

Topics are `godwit/<device>/<rest>` and, of a pool, `godwit/pool/<pool>/<rest>`; payloads are JSON of
the structs below, but for requests, which are whatever the model takes. `docs/wire.md` and
`docs/asyncapi.json` are generated from this module.

A message is identified by (device, class, `spool`, `seq`): `seq` counts the messages of a class and
survives restarts; `spool` names the file that counts, and changes only when a damaged spool had to
be set aside. A repeat of a message has the same identity, so a receiver can drop it, and a missing
number is a lost message.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.results import Input, Result
from firmware_profiles.words import NAME_PATTERN

MAX_MESSAGE_BYTES = 1 << 20

MessageClass = Literal["event", "prediction", "telemetry"]
CLASSES: tuple[MessageClass, ...] = ("event", "prediction", "telemetry")
"""Most important first: what is dropped when a spool is full is dropped from the other end."""

Device = Annotated[str, Meta(pattern=NAME_PATTERN)]


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


class Summary(msgspec.Struct, frozen=True):
    """What was answered and not sent since the prediction before, where the device sends one an interval.

    Attributes:
        seconds: the time it is about.
        predictions: how many, this one included.
        counts: how many by label, or by task where there are no labels.
    """

    seconds: float
    predictions: int
    counts: dict[str, int]


class Prediction(Header, frozen=True, kw_only=True, omit_defaults=True):
    """`godwit/<device>/prediction/<model>`: one answer to one input.

    Attributes:
        version: of the deployment.
        latency_ms: of pre-processing, inference and post-processing, of linked models too.
        then: what other models of the deployment made of this one's output, by their names.
        summary: only where the device sends one prediction an interval.
    """

    model: str
    version: str
    input: Input
    latency_ms: float
    result: Result
    then: dict[str, Result] = {}
    summary: Summary | None = None


class Telemetry(Header, frozen=True, kw_only=True):
    """`godwit/<device>/telemetry`: how the device does, over the time since the last such message.

    Attributes:
        predictions: how many were made since the agent started.
        rejected: inputs without an answer since then.
        latency_p50_ms, latency_p95_ms: of the most recent predictions; None before the first.
        worker_rss_bytes, supervisor_rss_bytes: resident memory of the two processes.
        spool_messages, spool_bytes: waiting to be acknowledged.
        temperature_c, power_w, fan_rpm: by the profile's sensors; None where there is none.
        throttled: what slows the device down right now, of "under_voltage", "frequency_capped", "throttled"
            and "soft_temperature_limit".
        cpu_mhz, cpu_max_mhz: of the first cores, now and at most.
        cpu_percent: how busy all cores were since the last such message.
        disk_free_bytes: where the agent keeps its spool.
        rate_factor: what is left of the sources' rate in the heat; 1 is all of it.
        dropped, expired: messages dropped since the spool was made, by class: for want of room; by age.
        written_bytes_per_day: what the supervisor makes the device's disks write, at the rate of the time
            since the last such message; None where the kernel does not count it.
    """

    predictions: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    worker_rss_bytes: int
    supervisor_rss_bytes: int
    spool_messages: int
    spool_bytes: int
    dropped: dict[str, int]
    expired: dict[str, int] = {}
    written_bytes_per_day: int | None = None
    temperature_c: float | None
    power_w: float | None = None
    throttled: list[str] = []
    cpu_mhz: float | None = None
    cpu_max_mhz: float | None = None
    fan_rpm: int | None = None
    cpu_percent: float | None = None
    memory_available_bytes: int | None = None
    memory_total_bytes: int | None = None
    disk_free_bytes: int | None = None
    rate_factor: float = 1.0
    rejected: int = 0


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
    "deployment_switched": "another deployment answers from now on, since `slots/active` names it",
    "deployment_refused": "the deployment that `slots/active` names is not run; the one before it goes on",
    "code_replaced": "the agent's own code is another one, and starts",
    "memory_short": "memory does not hold two workers: the old one stops before the new one is proved",
    "input_rejected": "an input could not be read, has the wrong shape or no finite answer; of many, a few a minute",
    "engine_build": "a runtime builds its engine for this very device, which can take minutes, or has built it",
    "rate_lowered": "the device is too hot, and its sources are slowed down",
    "rate_raised": "the device has cooled down, and its sources go faster again",
    "source_ended": "a source has no more inputs",
    "source_reopened": "a source that only one worker can hold is open again after a switch; how long it was not read",
    "source_failed": "a source could not be opened or read",
    "certificate_dates_unchecked": "the clock is not trusted: the broker's certificate was judged, but not its dates",
    "certificate_renewed": "another certificate of this device's own is in use; the agent connects with it",
    "configuration_changed": "the configuration file changed; what of it took effect, and what will at the next start",
    "configuration_refused": "the configuration file changed and something in it is wrong; the old one still holds",
    "http_unavailable": "HTTP cannot listen where it should; the agent goes on without",
    "spool_replaced": "a damaged spool was set aside and a new one begun",
    "spool_dropped": "messages were dropped: there was no room for them, or they were too old; once a minute at most",
    "disk_full": "the disk is full; the spool goes on in its reserve",
    "disk_room": "the disk has room again",
    "update_committed": "an update has proved itself, and stays",
    "update_rejected": "an update did badly here; the version before runs, and this one is not tried again",
    "update_failed": "an update could not be brought or staged; it may be tried again",
    "update_unavailable": "a repository or kit cannot be read, is not to be trusted, or a kit is for others",
    "update_lost": "the updater's journal was damaged and set aside",
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


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`godwit/<device>/reply/<model>[/<id>]`, `godwit/pool/<pool>/reply/<model>[/<id>]`, or a response topic.

    The answer to a request on the same topic with `infer` for `reply`, or, without a model, to a command.
    In MQTT 5 it carries the request's
    correlation data; in MQTT 3.1.1, which has none, the requester adds an `<id>` of its own to the topic.
    A request may be answered twice: it is delivered again after a connection was lost.

    Attributes:
        device: which answers.
        version: of the deployment.
        latency_ms: of pre-processing, inference and post-processing; None without a result.
        result: None where there is an error.
        error: why there is no result; empty where there is one.
        done: what was done, of a command.
    """

    device: str
    model: str = ""
    version: str
    latency_ms: float | None = None
    result: Result | None = None
    error: str = ""
    done: str = ""


class Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`godwit/<device>/cmd`: something that a device is asked to do; it answers at `godwit/<device>/reply`.

    In MQTT 5 it may have a response topic and correlation data, as a request.

    Attributes:
        command: "update": look for an update now, and not when it is due; at most once a minute. Nothing in it
            says which one, and what is trusted is the updater's business alone.
    """

    command: Literal["update"]


class CertificateRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`godwit/<device>/identity`, retained until it is answered: the device asks for its next certificate.

    Attributes:
        csr: for a new key, which never leaves the device (PKCS #10, PEM); it names the device.
        certificate: the present one (PEM); empty before the first, which no broker carries.
        proof: by the present certificate's key, so that nobody asks for another's: ECDSA with SHA-256 over
            "godwit certificate renewal 1", a zero byte and `csr`, in base64; empty before the first.
    """

    csr: Annotated[str, Meta(max_length=8192)]
    certificate: Annotated[str, Meta(max_length=8192)] = ""
    proof: Annotated[str, Meta(max_length=1024)] = ""


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`godwit/<device>/certificate`, retained: what was signed for it.

    A device takes one for the key that waits, by the authority of its present one, and no other.

    Attributes:
        certificate: PEM.
    """

    certificate: Annotated[str, Meta(max_length=8192)]


Message = Prediction | Telemetry | Event | Status | Info | Reply | Command | CertificateRequest | Certificate

MESSAGES: dict[str, type[Message]] = {
    "prediction": Prediction,
    "telemetry": Telemetry,
    "event": Event,
    "status": Status,
    "info": Info,
    "reply": Reply,
    "cmd": Command,
    "identity": CertificateRequest,
    "certificate": Certificate,
}
"""What the third level of a topic announces."""


@cache
def _decoder(kind: str) -> msgspec.json.Decoder[Message]:
    """Late: a device encodes only."""
    return msgspec.json.Decoder(MESSAGES[kind])


def decode(kind: str, payload: bytes) -> Message:
    """Parse a message of `kind`, the third level of its topic.

    Raises:
        ValueError: the kind is unknown, the message is longer than 1 MiB, or it is not such a message
            (msgspec's errors are ValueErrors).
    """
    if kind not in MESSAGES:
        raise ValueError(f"no message is called {kind!r}")
    if len(payload) > MAX_MESSAGE_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes; at most {MAX_MESSAGE_BYTES} are read")
    try:
        return _decoder(kind).decode(payload)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None


encode = msgspec.json.encode
