"""How long nothing was read of a source that only one process can hold, where another worker took it over."""

from __future__ import annotations

from collections.abc import Sequence

from edge_agent import clock
from edge_agent.flow.feed import Feed
from edge_agent.flow.source import Item
from edge_agent.source_config import Camera, Command, Serial, SourceSettings


class Gaps:
    """The sources that are not open again yet."""

    def __init__(self, sources: Sequence[SourceSettings] = (), left_ms: int = 0) -> None:
        """`left_ms`: since when nothing was read, by the time since boot; 0 where nobody read before."""
        held = {source.name: source for source in sources if isinstance(source, Serial | Camera | Command)}
        self._open = held if left_ms else {}
        self._left_ms = left_ms

    def closed(self, feed: Feed, item: Item | None) -> int | None:
        """Milliseconds of the gap, once: when the source gave `item`, or nothing, and is open again."""
        settings = self._open.get(feed.name)
        if settings is None or feed.source is None:
            return None
        # A camera's descriptor is there before the camera is.
        if item is None and (isinstance(settings, Camera) or feed.source.fileno() is None):
            return None
        del self._open[feed.name]
        return clock.uptime_ms() - self._left_ms
