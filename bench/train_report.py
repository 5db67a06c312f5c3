"""`python -m bench.train_report`: the table of bench/train in bench/results.md, mean and spread over the seeds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import msgspec

from bench.train_measured import Export, Result

_FOLDER = Path(__file__).with_name("train")
_RESULTS = Path(__file__).with_name("results.md")
_HEAD = "## Compression by training\n"
_GOALS = {
    ("resnet8", "distil+qat-int8"): "≥ 87.9 int8",
    ("resnet8", "prune70+distil+qat-int8"): "≥ 86.5 float, ≥ 86.2 int8, ≤ 40 KB under xz",
    ("resnet8", "prune80+distil+qat-int8"): "≥ 84.5 int8, ≤ 30 KB under xz",
    ("resnet8", "channelsinside35+distil+qat-int8"): "≥ 87.0 int8, ≤ 0.75 × latency, ≤ 0.70 × bytes",
    ("resnet20", "channelsinside40+distil+qat-int8"): "≥ 90.5 int8, ≤ 0.60 × multiply-adds, ≤ 0.70 × latency",
}


def main() -> None:
    """Replace the section."""
    results = [msgspec.json.decode(path.read_bytes(), type=Result) for path in sorted(_FOLDER.glob("*.json"))]
    before = _RESULTS.read_text(encoding="utf-8").partition(_HEAD)[0].rstrip()
    _RESULTS.write_text(f"{before}\n\n{section(results)}", encoding="utf-8")


def section(results: Iterable[Result]) -> str:
    """Markdown; a recipe without a result says so."""
    lines = [
        _HEAD,
        "CIFAR-10: 10,000 images to train on, 1,000 to test; the interval is paired with dense float on the same.",
        "Latency is a ratio to dense int8 in one process; bytes under xz -9e; minutes of processor time, on one core.",
        "",
        "| model | recipe | goal | seeds | float % | int8 % | against dense (95 %) | × bytes | xz KB | × mult-adds"
        " | × latency | minutes | GB |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = {key: list(own) for key, own in groupby(results, lambda each: (each.model, each.recipe))}
    lines += [_row(*key, groups.get(key, [])) for key in _GOALS]
    return "\n".join(lines) + "\n"


def _row(model: str, recipe: str, own: list[Result]) -> str:
    goal = _GOALS[model, recipe]
    if not own:
        return f"| {model} | `{recipe}` | {goal} | not run yet |" + " |" * 9
    in_float = [each.float32.percent for each in own if each.float32]
    interval = "; ".join(
        f"{each.int8.against_dense_points:+.1f} ({each.int8.low_points:+.1f} to {each.int8.high_points:+.1f})"
        for each in own
    )
    cells = [
        ", ".join(str(each.seed) for each in own),
        _spread(in_float, 1),
        _spread([each.int8.percent for each in own], 1),
        interval,
        _ratio(own, lambda export: export.bytes),
        _spread([each.int8.xz_bytes / 1000 for each in own], 1),
        _ratio(own, lambda export: export.multiply_adds),
        _ratio(own, lambda export: export.ratio),
        _spread(_minutes(own), 0),
        _spread([each.trained.peak_rss_mb / 1024 for each in own], 1),
    ]
    return f"| {model} | `{recipe}` | {goal} | {' | '.join(cells)} |"


def _ratio(own: list[Result], value: Callable[[Export], float]) -> str:
    return _spread([value(each.int8) / value(each.dense_int8) for each in own], 2)


def _minutes(own: list[Result]) -> list[float]:
    """Of those that one process trained from the first epoch to the last: another knows only of its own time."""
    return [
        each.trained.cpu_seconds / 60
        for each in own
        if each.trained.seconds >= sum(point.seconds for phase in each.trained.phases for point in phase.curve)
    ]


def _spread(values: list[float], digits: int) -> str:
    if not values:
        return ""
    mean = f"{statistics.mean(values):.{digits}f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


if __name__ == "__main__":
    main()
