"""The tables of the report page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from converter.candidate import HERE, Candidate, Cost
from converter.compare import ClassDamage, Comparison
from converter.report import Report
from converter.table import against_float, interval, kb, place, score, score_head, signed

_SHOWN_CLASSES = 40


def candidates(report: Report) -> str:
    """Every candidate with all that was found out about it."""
    heads = (
        "Candidate", capital(score_head(report)), "Against float", "95 % interval", "Size", "In transit", "p50", "p95",
        "×float", "Load", "Memory", "Same class", "Mult-adds",
    )  # fmt: skip
    rows = []
    for each in report.candidates:
        if each.outcome != "measured":
            text = f"{each.outcome}: {each.reason}"
            rows.append(f"<tr><td><code>{each.key}</code><td colspan=12 class=wrap>{escape(text)}")
            continue
        rows.append(row([_name(report, each), *_found(report, each)], numbers=(1, 13)))
    return (
        table(heads, rows, numbers=(1, 13)) + f"<p class=foot>p50 to Memory: measured on {escape(place(report, HERE))}."
        " ◆ on the Pareto front of accuracy, latency and size.</p>"
    )


def costs_on(report: Report, machine: str) -> str:
    """What the candidates cost on one machine, by runtime."""
    heads = ("Recipe", "Runtime", "p50", "p95", "×float", "Load", "Memory")
    rows = [
        row([f"<code>{each.key}</code>", f"{cost.runtime}/{cost.delegate}", *_figures(cost)], numbers=(2, 7))
        for each in report.candidates
        for cost in each.costs
        if cost.measured_on == machine
    ]
    return table(heads, rows, numbers=(2, 7))


def passes(report: Report) -> str:
    """What passes over the whole model did for each candidate; empty where they did nothing."""
    told = [(each.key, "; ".join(each.said)) for each in report.candidates if each.said]
    rows = [f"<tr><td><code>{escape(key)}</code><td class=wrap>{escape(text)}" for key, text in told]
    return table(("Candidate", "Before it was measured"), rows, numbers=(2, 2)) if rows else ""


def classes(told: Comparison) -> str:
    """What each class loses, the worst first."""
    heads = ("Class", "Items", "Float", "This candidate", "Against float")
    worst = sorted(told.classes, key=lambda each: each.candidate_percent - each.reference_percent)
    rows = [row(_class_cells(each), numbers=(1, 5)) for each in worst[:_SHOWN_CLASSES]]
    more = len(worst) - _SHOWN_CLASSES
    return table(heads, rows, numbers=(1, 5)) + (
        f"<p class=foot>and {more} classes that lose less</p>" if more > 0 else ""
    )


def figures(report: Report, candidate: Candidate) -> list[str]:
    """Score, difference from float, size."""
    return [score(report, candidate), against_float(candidate), kb(candidate)]


def times(cost: Cost | None, *, mark: bool) -> list[str]:
    """p50 and p95, marked where they are not the device's."""
    if cost is None:
        return ["", ""]
    host = " class=host" if mark else ""
    return [f"<span{host}>{time:.3g} ms</span>" for time in (cost.p50_ms, cost.p95_ms)]


def table(heads: Sequence[str], rows: Iterable[str], numbers: tuple[int, int]) -> str:
    """A table; the columns in the range `numbers` are set to the right."""
    cells = "".join(f"<th{_number(index, numbers)}>{head}" for index, head in enumerate(heads))
    return f"<table><thead><tr>{cells}</thead><tbody>{''.join(rows)}</tbody></table>"


def row(cells: Sequence[str], numbers: tuple[int, int]) -> str:
    """A row of a table."""
    return "<tr>" + "".join(f"<td{_number(index, numbers)}>{cell}" for index, cell in enumerate(cells))


def capital(text: str) -> str:
    """The text as a heading begins."""
    return text[0].upper() + text[1:]


def _name(report: Report, candidate: Candidate) -> str:
    told = " (float)" if candidate.key == report.reference else ""
    front = " ◆" if candidate.key in report.front else ""
    return f"<code>{candidate.key}</code>{told}{front}"


def _found(report: Report, candidate: Candidate) -> list[str]:
    told, cost = candidate.told, next(iter(candidate.costs), None)
    value, difference, size = figures(report, candidate)
    agreement = "" if told is None or told.agreement_percent is None else f"{told.agreement_percent:.1f} %"
    spread = interval(told) if told and candidate.key != report.reference else ""
    transit = f"{candidate.transfer_bytes / 1e3:,.1f} kB"
    found = [value, difference, spread, size, transit, *([""] * 5 if cost is None else _figures(cost)), agreement]
    return [*found, f"{candidate.multiply_adds:,}"]


def _figures(cost: Cost) -> list[str]:
    """p50, p95, ratio to float, load time, memory."""
    more = [f"×{cost.ratio:.3g}", f"{cost.load_ms:.3g} ms", f"{cost.peak_rss_mb:.0f} MB"]
    return [*times(cost, mark=False), *more]


def _class_cells(damage: ClassDamage) -> list[str]:
    before, after = damage.reference_percent, damage.candidate_percent
    return [escape(damage.label), str(damage.items), f"{before:.1f} %", f"{after:.1f} %", signed(after - before)]


def _number(index: int, numbers: tuple[int, int]) -> str:
    return " class=n" if numbers[0] <= index < numbers[1] else ""
