"""The report page's section about recipes that train: what was done, and the curve of each training."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from converter.candidate import Candidate
from converter.report import Report
from converter.training.checkpoint import Point
from converter.training.protocol import Phase, Trained

NOTE = (
    "The loss by epoch: the thin line on what was trained on, the thick line on the part of the training data that was "
    "held out to say when to stop. No evaluation item was trained on; the ring is the epoch kept."
)
_WIDTH, _HEIGHT, _PAD = 480, 150, 26


def training(report: Report) -> str:
    """A card for each such recipe; empty where there is none."""
    cards = "".join(_card(each, each.trained) for each in report.candidates if each.trained)
    gain = f"<p>Not trained: {escape(report.could_gain)}.</p>" if report.could_gain else ""
    return cards + gain


def _card(candidate: Candidate, trained: Trained) -> str:
    zeros = f"; {trained.zeros:.0%} of the weights are zero" if trained.zeros else ""
    facts = (
        f"Seed {trained.seed}, {trained.seconds:.0f} s, at most {trained.peak_rss_mb / 1024:.1f} GB{zeros}. "
        f"Before: {100 * trained.before:.1f} % right on held-out training data."
    )
    said = "".join(f"<li>{escape(text)}" for text in trained.said)
    curves = "".join(map(_curve, trained.phases))
    return f"<div class=card><h3><code>{escape(candidate.key)}</code></h3><p>{facts}</p><ul>{said}</ul>{curves}</div>\n"


def _curve(phase: Phase) -> str:
    told = [value for point in phase.curve for value in (point.loss, point.held_out_loss)]
    if not told:
        return ""
    kept = next((point for point in phase.curve if point.epoch == phase.best_epoch), phase.curve[-1])
    end = "; stopped at a loss that was no number" if phase.diverged else ""
    title = (
        f"{phase.name}: {len(phase.curve)} epochs, held out {100 * kept.held_out_accuracy:.1f} % right "
        f"at epoch {kept.epoch + 1}{end}"
    )
    low, high = min(told), max(told)
    x, y = _place(kept, phase.curve, kept.held_out_loss, low, high)
    lines = _line(phase.curve, [point.loss for point in phase.curve], low, high, 1)
    lines += _line(phase.curve, [point.held_out_loss for point in phase.curve], low, high, 2.5)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
        f'<text x="{_PAD}" y="14">{escape(title)}</text>{lines}'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="none" stroke="currentColor"/>'
        f'<text x="{_WIDTH - _PAD}" y="{_HEIGHT - 6}" text-anchor="end">loss {low:.3g} to {high:.3g}</text></svg>'
    )


def _line(curve: Sequence[Point], values: Sequence[float], low: float, high: float, width: float) -> str:
    places = (_place(point, curve, value, low, high) for point, value in zip(curve, values, strict=True))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="{width}"/>'


def _place(point: Point, curve: Sequence[Point], value: float, low: float, high: float) -> tuple[float, float]:
    x = _PAD + (_WIDTH - 2 * _PAD) * point.epoch / max(1, curve[-1].epoch)
    y = _HEIGHT - _PAD - (_HEIGHT - 2 * _PAD) * (value - low) / ((high - low) or 1.0)
    return x, y
