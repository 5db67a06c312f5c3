"""How a declared source is opened: the one place that knows every kind.

What a kind needs is imported when there is a source of it: a worker that replays is no larger for a camera.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from edge_agent.channel import Rest
from edge_agent.flow.source import Source
from edge_agent.source_config import Camera, Command, Folder, MqttTopic, Replay, Serial, SourceSettings, Stdin
from firmware_profiles.errors import InputError

if TYPE_CHECKING:
    from edge_agent.flow.dataset import Dataset

_MOST_BYTES = 64 << 20
_MODULES: dict[type, tuple[str, ...]] = {
    Replay: ("edge_agent.flow.replay",),
    Folder: ("edge_agent.flow.folder",),
    Serial: ("edge_agent.flow.serial", "serial"),
    Command: ("edge_agent.flow.command",),
    Camera: ("edge_agent.flow.camera", "cv2"),
    MqttTopic: ("edge_agent.flow.mqtt_topic",),
    Stdin: ("edge_agent.flow.stdin",),
}


def load(sources: Iterable[SourceSettings]) -> dict[str, Dataset]:
    """Load what opening them needs, and open none; what is missing is told when one is opened.

    Returns:
        The data of those that replay, by the name of the source: to read it takes long, and nobody is answered
        meanwhile. Not of a large file, which another worker holds in memory too.
    """
    for source in sources:
        with contextlib.suppress(ImportError):
            for name in _MODULES[type(source)]:
                importlib.import_module(name)
    return {source.name: data for source in sources if isinstance(source, Replay) and (data := _data_of(source))}


def _data_of(source: Replay) -> Dataset | None:
    from edge_agent.flow.dataset import open_dataset

    path = Path(source.path)
    with contextlib.suppress(OSError, InputError):
        if path.stat().st_size <= _MOST_BYTES:
            return open_dataset(path)
    return None


def open_source(
    settings: SourceSettings,
    reached: int,
    taken: Iterable[str],
    stdin: int,
    rest: Rest | None = None,
    data: Dataset | None = None,
) -> Source:
    """The source, after what was already answered.

    Args:
        settings: with absolute paths.
        reached, taken: its cursor, as in `link.spool.Cursor`.
        stdin: descriptor of the agent's standard input; -1 if there is none.
        rest: what the worker before read of it and made no input of. A port, a program or a camera was closed in
            between: what came before then does not go on.
        data: of one that replays, where it was read before.

    Raises:
        InputError: it cannot be opened now. Live sources tell that at a poll, and try again by themselves.
    """
    if isinstance(settings, Replay):
        from edge_agent.flow.dataset import open_dataset
        from edge_agent.flow.replay import ReplaySource

        return ReplaySource(data or open_dataset(Path(settings.path)), reached)
    if isinstance(settings, Folder):
        from edge_agent.flow.folder import FolderSource

        return FolderSource(Path(settings.path), taken)
    if isinstance(settings, Serial):
        from edge_agent.flow.serial import open_serial

        return open_serial(settings, reached)
    if isinstance(settings, Command):
        from edge_agent.flow.command import open_command

        return open_command(settings, reached)
    if isinstance(settings, Camera):
        from edge_agent.flow.camera import CameraSource

        return CameraSource(settings, reached)
    if isinstance(settings, MqttTopic):
        from edge_agent.flow.mqtt_topic import MqttTopicSource

        return MqttTopicSource(settings, reached, rest)
    from edge_agent.flow.stdin import open_stdin

    return open_stdin(settings, reached, stdin, rest)
