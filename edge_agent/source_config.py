"""What can be declared about a source in `etc/agent.toml`: one struct a kind, told apart by `kind`.

```toml
[[source]]
name = "imu"
kind = "serial"
port = "/dev/ttyACM0"
format = { kind = "binary", fields = ["uint32", "int16", "int16"], sync = "aa55", checksum = "crc16" }
window = { length = 128, hop = 64, time_channel = 0, max_step = 15 }
```

The supervisor reads this too, so nothing here needs numpy.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_agent import format_config
from edge_agent.format_config import LineFormat, PayloadFormat, Pcm, Settings, StreamFormat, Text, Window
from firmware_profiles.errors import Problem
from firmware_profiles.words import Name


class _Source(Settings, frozen=True, kw_only=True):
    """What every source has.

    Attributes:
        rate: at most so many inputs a second; 0 for no bound.
        models: which models its inputs go to; empty for all that no other model feeds.
    """

    name: Name
    rate: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    models: Annotated[list[Name], Meta(max_length=16)] = msgspec.field(default_factory=list)


class Replay(_Source, frozen=True, kw_only=True, tag="replay"):
    """Every item of a data set, once. `path` is absolute, or relative to the device root."""

    path: Text


class Folder(_Source, frozen=True, kw_only=True, tag="folder"):
    """Every file that appears in a folder. `path` is absolute, or relative to the device root."""

    path: Text


class Serial(_Source, frozen=True, kw_only=True, tag="serial"):
    """A serial port, 8N1; opened again whenever it comes back.

    Attributes:
        port: its device file.
        baud: bits a second.
        format: of what comes in; below.
        window: rows that make one input; without it each row is one.
    """

    port: Text
    baud: Annotated[int, Meta(ge=50, le=4_000_000)] = 115_200
    format: LineFormat
    window: Window | None = None


class Command(_Source, frozen=True, kw_only=True, tag="command"):
    """A program's standard output. It is started without a shell, and again when it fails.

    Attributes:
        command: the program and its arguments.
        restart: "on-failure": exit code 0 ends the source; "always": it is started again then too.
        format: of what comes in; below.
        window: rows that make one input; without it each row is one.
    """

    command: Annotated[list[Text], Meta(min_length=1, max_length=256)]
    format: StreamFormat
    window: Window | None = None
    restart: Literal["on-failure", "always"] = "on-failure"


class Stdin(_Source, frozen=True, kw_only=True, tag="stdin"):
    """The agent's own standard input.

    Attributes:
        format: of what comes in; below.
        window: rows that make one input; without it each row is one.
    """

    format: StreamFormat
    window: Window | None = None


class Camera(_Source, frozen=True, kw_only=True, tag="camera"):
    """A camera, of which the newest frame counts, or a video file, of which every frame does.

    Attributes:
        address: "/dev/video0", a URL such as "rtsp://camera/stream", or the path of a video file.
    """

    address: Text

    @property
    def live(self) -> bool:
        """Whether it is no file."""
        return "://" in self.address or self.address.startswith("/dev/")


class MqttTopic(_Source, frozen=True, kw_only=True, tag="mqtt"):
    """What others publish. `topic` may have wildcards.

    Attributes:
        format: of what comes in; below.
        window: rows that make one input; without it each row is one.
    """

    topic: Annotated[str, Meta(min_length=1, max_length=1024)]
    format: PayloadFormat
    window: Window | None = None


SourceSettings = Replay | Folder | Serial | Command | Stdin | Camera | MqttTopic


def absolute(source: SourceSettings, root: Path) -> SourceSettings:
    """The same source, with its path below the device root `root` unless it is absolute."""
    if isinstance(source, Replay | Folder):
        return msgspec.structs.replace(source, path=str(root / source.path))
    if isinstance(source, Camera) and not source.live:
        return msgspec.structs.replace(source, address=str(root / source.address))
    return source


def paces_itself(source: SourceSettings) -> bool:
    """Whether it keeps to its rate by dropping inputs, and is to be read on all the time.

    A port or a sound card that nobody reads loses bytes, and not at the edges of what was declared.
    """
    return isinstance(source, Serial) or (isinstance(source, Command) and isinstance(source.format, Pcm))


def problems(source: SourceSettings, where: str) -> Iterator[Problem]:
    """What no single key of the source shows to be wrong."""
    where = f"{where}: source {source.name!r}"
    if isinstance(source, MqttTopic) and not _is_topic_filter(source.topic):
        found = repr(source.topic)
        yield Problem(f"{where}: topic", "an MQTT topic filter", found, "# only at the end, + alone in its level")
    if isinstance(source, Serial | Command | Stdin | MqttTopic):
        yield from format_config.problems(source.format, source.window, where)


def _is_topic_filter(text: str) -> bool:
    """MQTT 5.0, sections 4.7.1 and 1.5.4."""
    levels = text.split("/")
    alone = all(level in ("+", "#") or not set(level) & set("+#") for level in levels)
    return alone and "#" not in levels[:-1] and "\0" not in text
