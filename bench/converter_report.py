"""The converter's part of the page that `make bench` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.converter import RUNS, Made, Row
from bench.models import MAX_DROP_POINTS
from bench.report import here

_SLACK_POINTS = 1e-6


def report(rows: Sequence[Row]) -> list[str]:
    """A table of what was to be reached, and one of all that every tool made."""
    lines = [
        "## What the converter makes",
        "",
        "Real models, each converted by `godwit convert` for the profile linux-x86_64 with at most",
        f"{MAX_DROP_POINTS:g} points lost, beside what other tools make of it in the same run with their own defaults.",
        f"Latency: p50 of {RUNS} inferences without handing over input and output, batch 1, one thread, all files",
        "of a model in turn in one process, as a ratio to float in the same format (LiteRT, or onnxruntime).",
        "Accuracy: top-1 on all evaluation items.",
        f"Sizes are of the file as loaded. On {here()}.",
        "",
        "| model | float | ours | peers' smallest | peers' fastest | wanted | reached | search | again |",
        "|---|---|---|---|---|---|---|---|---|",
        *(_summary(row) for row in rows),
        "",
        f"Peers' smallest and fastest are those measured here that lose at most {MAX_DROP_POINTS:g} points.",
        "ai-edge-quantizer's static recipe takes and gives int8; turning numbers into int8 is not in its time.",
        "",
        "From the issue, not measured here: the best of more peers (Olive 0.13, NNCF 3.4, litert-torch PT2E too).",
        "",
        "| model | smallest | fastest |",
        "|---|---|---|",
        *(_cells(row.benchmark.title, *row.benchmark.others) for row in rows),
        "",
        "Everything that was made:",
        "",
        "| model | tool | size, B | top-1, % | lost, points | × float |",
        "|---|---|---|---|---|---|",
        *(line for row in rows for line in _details(row)),
    ]
    return [*lines, ""]


def _summary(row: Row) -> str:
    wanted, winner = row.benchmark, row.winner
    good = [each for each in row.peers if _keeps(row, each)]
    reached = winner and winner.size_bytes <= wanted.size_bytes and winner.ratio <= wanted.ratio
    return _cells(
        wanted.title,
        f"{_float_percent(row):.2f} %",
        _told(winner, row.search.recipe) if winner else f"none: {row.search.problem}",
        _told(*_named(min(good, key=lambda each: each.size_bytes, default=None))),
        _told(*_named(min(good, key=lambda each: each.ratio, default=None))),
        f"≤ {wanted.size_bytes:,} B and ≤ ×{wanted.ratio:.2f}",
        "yes" if winner and reached and _keeps(row, winner) else "**no**",
        f"{row.search.first_s:.0f} s",
        f"{row.search.again_s:.1f} s",
    )


def _details(row: Row) -> Iterator[str]:
    everything = [*row.floats, *([row.winner] if row.winner else []), *row.peers]
    for made in sorted(everything, key=lambda each: (each.format, each.p50_us)):
        lost = f"{_float_percent(row) - made.accuracy_percent:+.2f}"
        figures = (f"{made.size_bytes:,}", f"{made.accuracy_percent:.2f}", lost, f"{made.ratio:.2f}")
        yield _cells(row.benchmark.title, f"{made.name}, {made.format}", *figures)
    for file, reason in row.failed.items():
        yield _cells(row.benchmark.title, file, f"failed: {reason.replace('|', '/')}", "", "", "")


def _float_percent(row: Row) -> float:
    """Both formats answer alike; without either nothing can be told."""
    return row.floats[0].accuracy_percent if row.floats else float("nan")


def _keeps(row: Row, made: Made) -> bool:
    return _float_percent(row) - made.accuracy_percent <= MAX_DROP_POINTS + _SLACK_POINTS


def _named(made: Made | None) -> tuple[Made | None, str]:
    return made, made.name if made else ""


def _told(made: Made | None, name: str) -> str:
    if made is None:
        return "none"
    return f"{name}: {made.size_bytes:,} B, ×{made.ratio:.2f}, {made.accuracy_percent:.2f} %"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
