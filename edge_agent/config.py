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

from edge_agent.link_config import Broker, HomeAssistant
from edge_agent.publish_config import Publish
from firmware_profiles import broker_url, schema, wire
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import Name, Positive


class Source(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where inputs come from.

    Attributes:
        kind: "replay" answers every item of a data set once; "folder" answers every file that
            appears in a folder.
        path: absolute, or relative to the device root.
        rate: at most so many inputs a second; 0 for no bound.
        models: which models its inputs go to; empty for all that no other model feeds.
    """

    name: Name
    kind: Literal["replay", "folder"]
    path: str
    rate: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    models: list[Name] = []


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
        max_rss_mb: so does a worker that holds more memory; 0 for the limit of the device's profile.
    """

    deadline_s: Positive = 10.0
    max_rss_mb: Annotated[float, Meta(ge=0, le=1e6)] = 0.0


class Config(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file. `device` is the device's name in every topic."""

    device: Name
    broker: Broker = Broker()
    source: list[Source] = []
    spool: Spool = Spool()
    telemetry: Telemetry = Telemetry()
    worker: Worker = Worker()
    publish: list[Publish] = []
    homeassistant: HomeAssistant = HomeAssistant()


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
    if config.device == wire.POOL:
        found = f"{wire.POOL!r}, a word of the topics"
        problems.append(Problem(f"{path}: device", "a device's name", found, "rename it"))
    problems += _twice(f"{path}: source", [source.name for source in config.source], "rename one")
    problems += _twice(f"{path}: publish", [row.model for row in config.publish], "keep one row a model")
    if problems:
        raise InputError(*problems)
    return config


def _twice(where: str, names: list[str], step: str) -> list[Problem]:
    twice = sorted({name for name in names if names.count(name) > 1})
    return [Problem(where, "each name once", f"{name!r} twice", step) for name in twice]


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
