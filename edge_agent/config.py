"""The device's own configuration, `etc/agent.toml`.

```toml
device = "door-7"

[broker]
url = "mqtts://192.168.1.2"
ca = "etc/ca.pem"
certificate = "etc/door-7.pem"
key = "etc/door-7.key"

[[source]]
name = "camera"
kind = "folder"
path = "/srv/pictures"
```
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent import source_config
from edge_agent.link_config import IDENTITY, Broker, HomeAssistant
from edge_agent.monitor.thermal import Thermal
from edge_agent.publish_config import Publish
from edge_agent.runtime_config import Runtime
from edge_agent.source_config import SourceSettings
from edge_agent.update_config import Update
from edge_agent.web import address
from firmware_profiles import broker_url, schema, topics
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import Name, Positive

Seconds = Annotated[float, Meta(ge=0, le=3.2e9)]
Sync = Literal["full", "normal"]


class TimeToLive(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Seconds after which a message that no broker took is of no use to anybody, by class; 0 for never.

    Attributes:
        event, prediction, telemetry: of that class.
    """

    event: Seconds = 0.0
    prediction: Seconds = 0.0
    telemetry: Seconds = 86_400.0


class Spool(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The durable outbox.

    Attributes:
        max_mb: what it may take on the disk, all its files together; beyond it telemetry is dropped
            first, events last, the oldest of a class first.
        commit_messages, commit_ms: messages are made durable together, when there are so many or the
            first one is so old. A disk that is slow is not asked more often than it can answer.
        sync: "full" keeps what was committed through a power cut. "normal" writes less and loses, at a
            power cut, what was committed since the log was last written back, up to a twentieth of
            `max_mb`: sources that count then go on from an older input, and other ones lose it.
        ttl_s: how long messages of each class are kept.
    """

    max_mb: Annotated[float, Meta(ge=0.5, le=100_000)] = 64.0
    commit_messages: Annotated[int, Meta(ge=1, le=1000)] = 100
    commit_ms: Annotated[float, Meta(ge=1, le=10_000)] = 50.0
    sync: Sync = "full"
    ttl_s: TimeToLive = TimeToLive()


class Telemetry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How often the device tells how it does.

    Attributes:
        interval_s: from one message to the next.
    """

    interval_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0


class Worker(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Bounds of the worker.

    Attributes:
        deadline_s: an inference that takes longer ends the worker, which is then started again.
        max_rss_mb: so does a worker that holds more memory; 0 for the limit of the device's profile.
    """

    deadline_s: Positive = 10.0
    max_rss_mb: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


class Http(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The page, the metrics and the Open Inference Protocol.

    Attributes:
        listen: address and port; "" turns HTTP off. Any but a loopback address needs a token.
        token_file: of one line; whoever asks must send it: `Authorization: Bearer TOKEN`.
        max_body_mb: of one request; all of them together may hold twice as much.
        max_waiting: inferences that may wait for the worker; one more is refused (429).
    """

    listen: str = "127.0.0.1:8000"
    token_file: str = ""
    max_body_mb: Annotated[float, Meta(ge=0.001, le=64)] = 16.0
    max_waiting: Annotated[int, Meta(ge=1, le=1024)] = 32


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file. `device` is the device's name in every topic."""

    device: Name
    broker: Broker = Broker()
    source: list[SourceSettings] = []
    spool: Spool = Spool()
    telemetry: Telemetry = Telemetry()
    worker: Worker = Worker()
    publish: list[Publish] = []
    homeassistant: HomeAssistant = HomeAssistant()
    http: Http = Http()
    runtime: Runtime = Runtime()
    thermal: Thermal = Thermal()
    update: Update = Update()


def load(path: Path) -> Config:
    """The configuration in the file at `path`.

    Raises:
        InputError: everything that is wrong in it.
    """
    config = schema.load_toml(path, Config, "configuration")
    problems: list[Problem] = []
    try:
        broker_url.parse(config.broker.url, f"{path}: broker.url")
    except InputError as error:
        problems += error.problems
    if config.device == topics.POOL:
        found = f"{topics.POOL!r}, a word of the topics"
        problems.append(Problem(f"{path}: device", "a device's name", found, "rename it"))
    problems += _twice(f"{path}: source", [source.name for source in config.source], "rename one")
    problems += _twice(f"{path}: publish", [row.model for row in config.publish], "keep one row a model")
    for source in config.source:
        problems += source_config.problems(source, str(path))
    problems += _http_problems(config.http, str(path))
    if problems:
        raise InputError(*problems)
    return config


def _twice(where: str, names: list[str], step: str) -> list[Problem]:
    twice = sorted({name for name in names if names.count(name) > 1})
    return [Problem(where, "each name once", f"{name!r} twice", step) for name in twice]


def _http_problems(http: Http, where: str) -> list[Problem]:
    if not http.listen:
        return []
    try:
        loopback = address.parse(http.listen, f"{where}: http.listen").loopback
    except InputError as error:
        return list(error.problems)
    if loopback or http.token_file:
        return []
    step = "write a token into a file and name it in http.token_file, or listen on 127.0.0.1"
    return [Problem(f"{where}: http.listen", "a loopback address where there is no token", http.listen, step)]


def template(device: str, url: str) -> bytes:
    """The first `agent.toml` of a device; under TLS, and without a user, it shows its own certificate."""
    quoted = [msgspec.json.encode(text).decode() for text in (device, url)]  # JSON text is TOML text
    address = broker_url.parse(url, "broker.url")
    off = "" if address.tls and address.user is None else "# "
    return f"""\
# The device's own configuration. Updates never touch it.
device = {quoted[0]}

[broker]
url = {quoted[1]}
# Under mqtts://, with certificates of your own (godwit flash --ca; or edge-agent identity and godwit ca).
# Until they are there, no connection is made. A broker that wants none: take these three lines away.
{off}ca = "{IDENTITY}/ca.pem"
{off}certificate = "{IDENTITY}/device.pem"
{off}key = "{IDENTITY}/device.key"

# Where inputs come from. One table a source:
# [[source]]
# name = "pictures"
# kind = "folder"     # or "replay", "serial", "camera", "command", "mqtt", "stdin"
# path = "/srv/pictures"
# rate = 5            # inputs a second; 0 for no bound
""".encode()
