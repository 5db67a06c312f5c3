"""A stream of values without any frame around them: pictures of one size, or sound."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge_agent.format_config import Frames, Pcm
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError, Problem


class Blocks:
    """A `framing.Framer`.

    Pictures: uint8 [height, width, 3] (RGB) or [height, width]. Sound: float32 [n, channels], from -1 to 1.
    """

    def __init__(self, layout: Frames | Pcm) -> None:
        self._layout = layout
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[Array | InputError]:
        """See `framing.Framer`."""
        self._buffer += received
        if isinstance(self._layout, Pcm):
            yield from self._sound(self._layout)
        else:
            yield from self._pictures(self._layout)

    def rest(self) -> bytes:
        """See `framing.Framer`."""
        return bytes(self._buffer)

    def _pictures(self, layout: Frames) -> Iterator[Array]:
        shape = (layout.height, layout.width) if layout.pixels == "gray" else (layout.height, layout.width, 3)
        size = int(np.prod(shape))
        while len(self._buffer) >= size:
            picture = np.frombuffer(bytes(self._buffer[:size]), np.uint8).reshape(shape)
            del self._buffer[:size]
            yield picture[:, :, ::-1] if layout.pixels == "bgr" else picture

    def _sound(self, layout: Pcm) -> Iterator[Array | InputError]:
        dtype = np.dtype("<i2" if layout.samples == "s16le" else "<f4")
        size = dtype.itemsize * layout.channels
        whole = len(self._buffer) // size * size
        if not whole:
            return
        values = np.frombuffer(bytes(self._buffer[:whole]), dtype).reshape(-1, layout.channels)
        del self._buffer[:whole]
        rows = values.astype(np.float32) / 32768 if layout.samples == "s16le" else values
        if not np.isfinite(rows).all():
            yield InputError(Problem("sound", "finite numbers", "a NaN or an infinity", "declare the right samples"))
            return
        yield rows
