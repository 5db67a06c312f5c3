"""The report page's section about recipes that lost too much, and what giving precision back brought."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from converter.protocol import Layer
from converter.refine import Sensitivity, Step
from converter.report import Report
from converter.report_tables import row, table

NOTE = (
    "Where static int8 lost more than the goal allows, each operator was quantized alone, and those that "
    "hurt the model's output most were given back float32, until both halves of the evaluation data met the goal."
)
_SHOWN = 12


def sensitivity(report: Report) -> str:
    """A curve and the worst layers for each such recipe; empty where there is none."""
    return "".join(map(_one, report.sensitivity))


def _one(found: Sensitivity) -> str:
    steps = table(("Layers in float32", "Points lost", "Size"), [_step(step) for step in found.curve], numbers=(0, 3))
    shown = found.layers[:_SHOWN]
    rest = f"<p class=foot>and {len(found.layers) - _SHOWN} more</p>" if len(found.layers) > _SHOWN else ""
    layers = table(("Layer quantized alone", "Signal/noise"), _layers(shown), numbers=(1, 2)) + rest
    return f"<h3><code>{escape(found.key)}</code></h3><div class='card scroll'>{steps}{layers}</div>\n"


def _step(step: Step) -> str:
    lost = "failed" if step.drop_points is None else f"{step.drop_points:.2f}"
    return row([str(step.kept_float), lost, f"{step.size_bytes:,} B"], numbers=(0, 3))


def _layers(layers: Sequence[Layer]) -> list[str]:
    return [row([escape(layer.name), f"{layer.snr_db:.1f} dB"], numbers=(1, 2)) for layer in layers]
