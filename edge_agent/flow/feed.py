"""One source with its rate; a source in trouble is asked ever more rarely."""

from __future__ import annotations

import time
from collections.abc import Callable

from edge_agent.channel import Rest
from edge_agent.flow.source import Item, Source
from edge_agent.source_config import SourceSettings, paces_itself
from firmware_profiles.errors import InputError

_IDLE_POLL_S = 0.05
_FIRST_RETRY_S = 1.0
_LONGEST_RETRY_S = 60.0


class Feed:
    """What the worker polls.

    Attributes:
        due_s: by the monotonic clock: not before then.
        models: names of the models that its inputs go to; empty for the deployment's entries.
    """

    def __init__(
        self, settings: SourceSettings, open_source: Callable[[], Source], failed: Callable[[str], None]
    ) -> None:
        """Open the source by `open_source`; `failed` is told why it cannot be read, once a trouble."""
        self.name = settings.name
        self.models = settings.models
        self.due_s = time.monotonic()
        self.source: Source | None = None
        self._open = open_source
        self._failed = failed
        self._period_s = 1 / settings.rate if settings.rate and not paces_itself(settings) else 0.0
        self._factor = 1.0
        self._failures = 0
        self._idle = False

    @property
    def descriptor(self) -> int | None:
        """What becomes readable when a source that had nothing has something."""
        return self.source.fileno() if self.source and self._idle else None

    def wake(self) -> None:
        """The descriptor became readable."""
        self.due_s = time.monotonic()

    def poll(self, now_s: float) -> Item | None:
        """The next input, if there is one.

        Raises:
            Ended: there will be none any more.
        """
        try:
            item = self.opened().poll()
            self._idle = item is None
        except InputError as error:
            self._fail(now_s, error)
            return None
        self._failures = 0
        if item is None:
            self.due_s = now_s + _IDLE_POLL_S
            return None
        # A late input does not push the later ones back, unless it is later than a whole period.
        period_s = self._period_s / self._factor
        self.due_s = max(self.due_s + period_s, now_s - period_s)
        return item

    def opened(self) -> Source:
        """The source.

        Raises:
            InputError: it cannot be opened now.
        """
        self.source = self.source or self._open()
        return self.source

    def gone(self) -> list[str]:
        """Named positions that vanished from the source since the last call."""
        return self.source.gone() if self.source else []

    def pace(self, factor: float) -> None:
        """Go at `factor` (above 0, at most 1) of the declared rate from now on."""
        self._factor = factor

    def busy(self, seconds: float) -> None:
        """An answer took that long: at half the pace, as long a rest follows, also where no rate is declared."""
        if self._factor < 1:
            self.due_s = max(self.due_s, time.monotonic() + seconds * (1 / self._factor - 1))

    def finish(self) -> None:
        """Read nothing more: polled as fast as it can be, it gives what was read, and then ends."""
        self._period_s, self._factor, self.due_s = 0.0, 1.0, 0.0
        if self.source:
            self.source.finish()

    def close(self) -> Rest | None:
        """Let go of what the source holds; what of it is left as in `Source.close`."""
        source, self.source = self.source, None
        return source.close() if source else None

    def _fail(self, now_s: float, error: InputError) -> None:
        self.due_s = now_s + min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2**self._failures)
        if self._failures == 0:
            self._failed(str(error))
        self._failures += 1
