"""The MQTT source: payloads that others publish. The supervisor receives them and hands them over."""

from __future__ import annotations

import time
from collections import deque

import numpy as np

from edge_agent.channel import Rest
from edge_agent.flow import payload
from edge_agent.flow.rejections import Rejections
from edge_agent.flow.source import Ended, Item
from edge_agent.flow.windows import assembler
from edge_agent.format_config import MAX_WINDOW_VALUES, Csv, Json, Npy, Raw
from edge_agent.runtimes.base import Array
from edge_agent.source_config import MqttTopic
from firmware_profiles.errors import InputError, Problem


class MqttTopicSource:
    """A `source.Source`. Items are numbered on from `reached`."""

    def __init__(self, settings: MqttTopic, reached: int, rest: Rest | None = None) -> None:
        self._settings = settings
        self._position = reached
        self._assembler = assembler(settings.window, rows=False)
        self._rejections = Rejections()
        self._items: deque[Item] = deque()
        self._finished = False
        if rest and rest.rows:
            self._assembler.take(rest.rows)

    def feed(self, body: bytes) -> list[int]:
        """Take one payload; the positions of the items that it completes, which `poll` gives from now on."""
        before = len(self._items)
        try:
            for content in self._assembler.push(self._decoded(body)):
                self._put(content)
        except InputError as error:
            self._assembler.gap()
            self._rejections.add(error)
        if rejected := self._rejections.due(time.monotonic()):
            self._put(rejected)
        return [int(item.position) for item in list(self._items)[before:]]

    def poll(self) -> Item | None:
        """See `source.Source`."""
        if self._finished and not self._items:
            raise Ended
        return self._items.popleft() if self._items else None

    def gone(self) -> list[str]:
        """None ever: nothing here has a name."""
        return []

    def fileno(self) -> None:
        """None: it is fed."""

    def finish(self) -> None:
        """See `source.Source`."""
        self._finished = True

    def close(self) -> Rest:
        """See `source.Source`."""
        return Rest(rows=self._assembler.held())

    def _put(self, content: Array | InputError) -> None:
        self._position += 1
        self._items.append(Item(self._position, content))

    def _decoded(self, body: bytes) -> Array:
        """The payload as a raw input, or as rows [n, channels] for a window."""
        values, window = self._raw_input(body), self._settings.window
        if window is None:
            return values
        if values.ndim not in (1, 2) or not values.size or not np.isfinite(values).all():
            found = f"shape {values.shape}"
            raise InputError(Problem("payload", "finite rows of numbers for a window", found, "mend what is sent"))
        rows = values if values.ndim == 2 else values[np.newaxis]
        made = (len(rows) // (window.hop or window.length) + 1) * window.length * rows.shape[1]
        if made > MAX_WINDOW_VALUES:  # windows that overlap are many times what was sent
            found = f"{len(rows)} rows, {made} in windows"
            raise InputError(Problem("payload", f"at most {MAX_WINDOW_VALUES} values", found, "send fewer at once"))
        return rows

    def _raw_input(self, body: bytes) -> Array:
        layout = self._settings.format
        if isinstance(layout, Json):
            return payload.decode(body, "json", fields=layout.fields)
        if isinstance(layout, Raw):
            return payload.decode(body, "raw", dtype=layout.dtype, shape=layout.shape)
        if isinstance(layout, Csv):
            return payload.decode(body, "csv", separator=layout.separator, columns=layout.channels)
        return payload.decode(body, "npy" if isinstance(layout, Npy) else "image")
