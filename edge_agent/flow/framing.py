"""How a stream of bytes is cut into pieces, by the declared format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from edge_agent.flow.blocks import Blocks
from edge_agent.flow.lines import Lines
from edge_agent.flow.mjpeg import Pictures
from edge_agent.flow.packets import Packets
from edge_agent.format_config import Binary, Csv, Frames, Json, Mjpeg, StreamFormat
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError

Piece = Array | InputError
"""Rows [n, channels] of a format that has rows, else one raw input; or what was lost at this place."""


class Framer(Protocol):
    """Takes bytes as they come; keeps what is not whole yet, within bounds."""

    def feed(self, received: bytes) -> Iterator[Piece]:
        """The pieces that `received` completes."""
        ...

    def rest(self) -> bytes:
        """What came and made no piece yet."""
        ...


def framer(layout: StreamFormat, joins_midway: bool) -> Framer:
    """A new framer.

    Args:
        joins_midway: the first bytes may be the end of something that began before.
    """
    if isinstance(layout, Csv | Json):
        return Lines(layout, joins_midway)
    if isinstance(layout, Binary):
        return Packets(layout, joins_midway)
    if isinstance(layout, Mjpeg):
        return Pictures()
    return Blocks(layout)


def has_rows(layout: StreamFormat) -> bool:
    """Whether its pieces are rows of channels."""
    return not isinstance(layout, Mjpeg | Frames)
