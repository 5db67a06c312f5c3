"""Which answers become messages, so that a camera of 30 frames a second does not send 30 messages a second. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.channel import Answer
from edge_agent.publish_config import Publish
from firmware_profiles.results import Anomaly, Classification, Detections, Embedding, Regression, Result, Segmentation
from firmware_profiles.wire import Summary


class Decision(NamedTuple):
    """Whether an answer is sent, and what is told about those that were not."""

    send: bool
    summary: Summary | None = None


_EVERY = Publish("every")
_SENT = Decision(True)
_HELD = Decision(False)


class Publisher:
    """The policy of every model, and what it remembers."""

    def __init__(self, rows: Sequence[Publish]) -> None:
        """Work by `rows`, at most one a model."""
        self._rows = {row.model: row for row in rows}
        self._last: dict[str, object] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._began_s: dict[str, float] = {}

    def decide(self, answer: Answer, now_s: float) -> Decision:
        """What becomes of `answer`, made at `now_s` of a clock that never goes back."""
        row = self._rows.get(answer.model) or self._rows.get("", _EVERY)
        if row.when == "every":
            return _SENT
        if row.when == "change":
            return self._changed(answer, row.by)
        if row.when == "interval":
            return self._counted(answer, row.interval_s, now_s)
        level = _level(answer.result)
        if level is None:
            return _SENT
        return _SENT if (level >= row.threshold) == (row.when == "above") else _HELD

    def _changed(self, answer: Answer, by: float) -> Decision:
        state, last = _state(answer.result), self._last.get(answer.model)
        if state == last:
            return _HELD
        if isinstance(state, list) and isinstance(last, list) and _near(state, last, by):
            return _HELD
        self._last[answer.model] = state
        return _SENT

    def _counted(self, answer: Answer, interval_s: float, now_s: float) -> Decision:
        counts = self._counts.setdefault(answer.model, Counter())
        began_s = self._began_s.setdefault(answer.model, now_s)
        counts[_label(answer.result)] += 1
        if now_s - began_s < interval_s:
            return _HELD
        summary = Summary(round(now_s - began_s, 3), sum(counts.values()), dict(counts))
        self._counts[answer.model], self._began_s[answer.model] = Counter(), now_s
        return Decision(True, summary)


def _label(result: Result) -> str:
    """What an answer is counted under: its best class, the labels of its objects, or its task."""
    if isinstance(result, Classification):
        return result.top[0].label if result.top else "none"
    if isinstance(result, Detections):
        return ", ".join(sorted(found.label for found in result.objects)) or "none"
    if isinstance(result, Segmentation):
        return result.classes[0].label if result.classes else "none"
    if isinstance(result, Anomaly) and result.is_anomaly is not None:
        return "anomaly" if result.is_anomaly else "normal"
    return str(result.__struct_config__.tag)


def kept(result: Result) -> str | float | None:
    """What an answer adds to the distribution of answers: its class, its first number; None where it has neither."""
    label = _label(result)
    return label if label != result.__struct_config__.tag else _level(result)


def _level(result: Result) -> float | None:
    """What is compared with a threshold; None where there is nothing to compare."""
    if isinstance(result, Classification):
        return result.top[0].score if result.top else 0.0
    if isinstance(result, Detections):
        return max((found.score for found in result.objects), default=0.0)
    if isinstance(result, Anomaly):
        return result.score
    if isinstance(result, Segmentation):
        return result.classes[0].share if result.classes else 0.0
    return result.values[0] if isinstance(result, Regression) else None


def _state(result: Result) -> object:
    """What is compared with the answer before."""
    if isinstance(result, Regression):
        return result.values
    return result.vector if isinstance(result, Embedding) else _label(result)


def _near(values: list[float], others: list[float], by: float) -> bool:
    return len(values) == len(others) and all(abs(one - other) <= by for one, other in zip(values, others, strict=True))
