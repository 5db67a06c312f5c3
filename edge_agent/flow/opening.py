"""How a declared source is opened: the one place that knows every kind."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from edge_agent.flow.camera import CameraSource
from edge_agent.flow.command import open_command
from edge_agent.flow.folder import FolderSource
from edge_agent.flow.mqtt_topic import MqttTopicSource
from edge_agent.flow.replay import ReplaySource
from edge_agent.flow.serial import open_serial
from edge_agent.flow.source import Source
from edge_agent.flow.stdin import open_stdin
from edge_agent.source_config import Camera, Command, Folder, MqttTopic, Replay, Serial, SourceSettings


def open_source(settings: SourceSettings, reached: int, taken: Iterable[str], stdin: int) -> Source:
    """The source, after what was already answered.

    Args:
        settings: with absolute paths.
        reached, taken: its cursor, as in `link.spool.Cursor`.
        stdin: descriptor of the agent's standard input.

    Raises:
        InputError: it cannot be opened now. Live sources tell that at a poll, and try again by themselves.
    """
    if isinstance(settings, Replay):
        return ReplaySource(Path(settings.path), reached)
    if isinstance(settings, Folder):
        return FolderSource(Path(settings.path), taken)
    if isinstance(settings, Serial):
        return open_serial(settings, reached)
    if isinstance(settings, Command):
        return open_command(settings, reached)
    if isinstance(settings, Camera):
        return CameraSource(settings, reached)
    if isinstance(settings, MqttTopic):
        return MqttTopicSource(settings, reached)
    return open_stdin(settings, reached, stdin)
