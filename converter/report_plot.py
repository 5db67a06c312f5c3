"""The report's plot: two panels side by side, size and latency against what is lost. Inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from html import escape
from typing import NamedTuple

from converter.candidate import Candidate
from converter.report import Report

_WIDTH, _HEIGHT = 1040, 380
_TOP, _BOTTOM = 46, 330
_LEFT, _PANEL, _GAP = 64, 452, 56
_LABEL_PX = 15
_LABEL_CHAR_PX = 6.4
_LABEL_STEPS_PX = (0, 18, -18, 36, -36, 54, -54, 72, -72)


class _Point(NamedTuple):
    candidate: Candidate
    x: float
    y: float


class _Box(NamedTuple):
    """A label's place."""

    start: float
    end: float
    y: float

    def covers(self, other: _Box) -> bool:
        """Whether the two overlap."""
        return abs(self.y - other.y) < _LABEL_PX and self.start < other.end and other.start < self.end


class _Scale(NamedTuple):
    """Maps a value to pixels."""

    place: Callable[[float], float]
    ticks: list[float]


def svg(report: Report) -> str:
    """The plot; circles are candidates, hollow where off the Pareto front; rings, what a profile got."""
    shown = [each for each in report.candidates if each.told is not None]
    chosen = {profile.chosen for profile in report.profiles}
    y = _linear([-_drop(each) for each in shown] + [0.0, -report.goal_max_drop_points], _BOTTOM, _TOP)
    costed = [each for each in shown if each.costs]
    panels = [
        _panel(_LEFT, "Size of the model file, kB", shown, lambda each: each.size_bytes / 1e3, y, chosen, report),
    ]
    if costed:
        left = _LEFT + _PANEL + _GAP
        title = "p50 of one inference on this machine, ms"
        panels.append(_panel(left, title, costed, lambda each: each.costs[0].p50_ms, y, chosen, report))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="Size and latency against what is lost">'
        f"{_legend(shown)}{''.join(panels)}</svg>"
    )


def _panel(
    left: float,
    title: str,
    candidates: Sequence[Candidate],
    value: Callable[[Candidate], float],
    y: _Scale,
    chosen: AbstractSet[str | None],
    report: Report,
) -> str:
    x = _logarithmic([value(each) for each in candidates], left + 16, left + _PANEL - 16)
    points = [_Point(each, x.place(value(each)), y.place(-_drop(each))) for each in candidates]
    goal_y = y.place(-report.goal_max_drop_points)
    parts = [
        *(_grid_row(left, y.place(tick), f"{tick:+g}" if tick else "float") for tick in y.ticks),
        *(f'<text x="{x.place(tick):.1f}" y="{_BOTTOM + 18}" text-anchor="middle">{tick:g}</text>' for tick in x.ticks),
        f'<line class="goal" x1="{left}" x2="{left + _PANEL}" y1="{goal_y:.1f}" y2="{goal_y:.1f}"/>',
        f'<text class="goal-text" x="{left + _PANEL}" y="{goal_y - 5:.1f}" text-anchor="end">goal</text>',
        f'<text x="{left + _PANEL / 2}" y="{_BOTTOM + 38}" text-anchor="middle">{escape(title)}</text>',
        *(
            _mark(point, ringed=point.candidate.key in chosen, beaten=point.candidate.key not in report.front)
            for point in points
        ),
        *_labels(points, left + _PANEL),
    ]
    return "".join(parts)


def _grid_row(left: float, y: float, label: str) -> str:
    return (
        f'<line class="grid" x1="{left}" x2="{left + _PANEL}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{label}</text>'
    )


def _mark(point: _Point, *, ringed: bool, beaten: bool) -> str:
    candidate = point.candidate
    at = f'cx="{point.x:.1f}" cy="{point.y:.1f}"'
    ring = f'<circle class="ring" {at} r="10"/>' if ringed else ""
    told = f"{candidate.key}: {candidate.size_bytes:,} bytes, {-_drop(candidate):+.2f}"
    dot = f"dot {candidate.format} beaten" if beaten else f"dot {candidate.format}"
    return f'{ring}<circle class="{dot}" {at} r="6"><title>{escape(told)}</title></circle>'


def _labels(points: Sequence[_Point], right: float) -> list[str]:
    """One label a point, at the first place around it that is free and inside the panel."""
    taken = [_Box(point.x - 10, point.x + 10, point.y) for point in points]
    parts = []
    for point in sorted(points, key=lambda point: (point.y, point.x)):
        text = point.candidate.key
        width = len(text) * _LABEL_CHAR_PX
        boxes = [
            _Box(start, start + width, point.y + below)
            for below in _LABEL_STEPS_PX
            for start in (point.x + 14, point.x - 14 - width)
        ]
        inside = [box for box in boxes if box.end <= right and box.start >= right - _PANEL]
        box = next((box for box in inside if not any(box.covers(other) for other in taken)), boxes[0])
        taken.append(box)
        if box.y != point.y:
            edge = box.start - 2 if box.start > point.x else box.end + 2
            ends = f'x1="{point.x:.1f}" y1="{point.y:.1f}" x2="{edge:.1f}" y2="{box.y:.1f}"'
            parts.append(f'<line class="lead" {ends}/>')
        parts.append(f'<text class="label" x="{box.start:.1f}" y="{box.y + 4:.1f}">{escape(text)}</text>')
    return parts


def _legend(candidates: Sequence[Candidate]) -> str:
    parts = [f'<text class="title" x="{_LEFT}" y="18">Difference from float, in points</text>']
    x = _LEFT + 250.0
    for name in sorted({each.format for each in candidates}):
        parts.append(f'<circle class="{name}" cx="{x}" cy="14" r="6"/><text x="{x + 12}" y="18">{name}</text>')
        x += 76
    parts.append(f'<circle class="ring" cx="{x}" cy="14" r="8"/><text x="{x + 14}" y="18">in a bundle</text>')
    x += 100
    parts.append(f'<circle class="dot beaten" cx="{x}" cy="14" r="6"/>')
    parts.append(f'<text x="{x + 12}" y="18">hollow: off the Pareto front of accuracy, latency and size</text>')
    return "".join(parts)


def _drop(candidate: Candidate) -> float:
    assert candidate.told is not None
    return candidate.told.drop_points


def _linear(values: Sequence[float], start: float, end: float) -> _Scale:
    """A scale with round ticks around all the values."""
    low, high = min(values), max(values)
    step = _round_step((high - low or 1.0) / 4)
    first, last = math.floor(low / step), math.ceil(high / step)
    if last * step - high < step / 4:
        last += 1
    ticks = [round(index * step, 10) for index in range(first, last + 1)]
    span = ticks[-1] - ticks[0]
    return _Scale(lambda value: start + (value - ticks[0]) / span * (end - start), ticks)


def _logarithmic(values: Sequence[float], start: float, end: float) -> _Scale:
    """A logarithmic scale with ticks at 1, 2 and 5."""
    low, high = max(min(values), 1e-6), max(*values, 1e-6)
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    marks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    below = max(mark for mark in marks if mark <= low)
    above = min(mark for mark in [*marks, 10 * high] if mark >= high and mark > below)
    span = math.log(above / below)
    ticks = [mark for mark in marks if below <= mark <= above]
    return _Scale(lambda value: start + math.log(max(value, below) / below) / span * (end - start), ticks)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= raw)
