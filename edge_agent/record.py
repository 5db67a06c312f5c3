"""How a deployment does since it took over: what the updater judges it by. No numpy here."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from edge_agent import clock
from edge_agent.channel import Answer
from edge_agent.monitor.distribution import distance
from edge_agent.monitor.metrics import LatencyWindow
from edge_agent.publish import kept

_RECENT = 1000
_FEWEST = 50
"""Of fewer answers nothing can be said: by chance alone two halves of one class are then 0.1 apart."""


class Record:
    """Counts of one deployment.

    Attributes:
        since_uptime_ms: when it took over, by the time since boot.
        predictions: inputs' answers.
        deaths: of its workers.
    """

    def __init__(self) -> None:
        self.since_uptime_ms = clock.uptime_ms()
        self.predictions = 0
        self.deaths = 0
        self.latency = LatencyWindow()
        self._recent: dict[str, deque[str | float]] = {}

    def add(self, answers: Sequence[Answer]) -> None:
        """The answers to one input."""
        self.predictions += len(answers)
        for answer in answers:
            self.latency.add(answer.latency_ms)
            if (what := kept(answer.result)) is not None:
                recent = self._recent.get(answer.model)
                if recent is None:
                    recent = self._recent[answer.model] = deque(maxlen=_RECENT)
                recent.append(what)

    def distance(self, before: Record) -> float | None:
        """How differently from `before` it answers: see `monitor.distribution`.

        Of the models that both have, the one that differs most; None where there are too few answers.
        """
        pairs = ((mine, before._recent.get(name, ())) for name, mine in self._recent.items())
        found = [distance(mine, other) for mine, other in pairs if min(len(mine), len(other)) >= _FEWEST]
        return max((each for each in found if each is not None), default=None)
