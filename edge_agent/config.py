"""The device's own configuration, `etc/agent.toml`.

```toml
device = "door-7"

[broker]
url = "mqtt://192.168.1.2:1883"

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

from edge_agent.web import address
from firmware_profiles import broker_url, schema
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import Name, Positive

DEFAULT_BROKER_URL = "mqtt://127.0.0.1:1883"


class Broker(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where predictions go: `mqtt://[user:password@]host[:port]`."""

    url: str = DEFAULT_BROKER_URL


class Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where inputs come from.

    Attributes:
        kind: "replay" answers every item of a data set once; "folder" answers every file that
            appears in a folder.
        path: absolute, or relative to the device root.
        rate: at most so many inputs a second; 0 for no bound.
    """

    name: Name
    kind: Literal["replay", "folder"]
    path: str
    rate: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


class Spool(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Bounds of the durable outbox.

    Attributes:
        max_mb: payload bytes that may wait; beyond it telemetry is dropped first, events last.
    """

    max_mb: Annotated[float, Meta(ge=0.1, le=100_000)] = 64.0


class Telemetry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """How often the device tells how it does."""

    interval_s: Annotated[float, Meta(ge=0.1, le=86_400)] = 60.0


class Worker(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Bounds of the worker.

    Attributes:
        deadline_s: an inference that takes longer ends the worker, which is then started again.
    """

    deadline_s: Positive = 10.0


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
    source: list[Source] = []
    spool: Spool = Spool()
    telemetry: Telemetry = Telemetry()
    worker: Worker = Worker()
    http: Http = Http()


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
    names = [source.name for source in config.source]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(Problem(f"{path}: source", "distinct names", f"{name!r} twice", "rename one"))
    problems += _http_problems(config.http, str(path))
    if problems:
        raise InputError(*problems)
    return config


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


def template(device: str, broker_url: str) -> bytes:
    """The first `agent.toml` of a device."""
    quoted = [msgspec.json.encode(text).decode() for text in (device, broker_url)]  # JSON text is TOML text
    return f"""\
# The device's own configuration. Updates never touch it.
device = {quoted[0]}

[broker]
url = {quoted[1]}

# Where inputs come from. One table a source:
# [[source]]
# name = "pictures"
# kind = "folder"     # or "replay": every item of an .npz, .csv or folder of images, once
# path = "/srv/pictures"
# rate = 5            # inputs a second; 0 for no bound
""".encode()
