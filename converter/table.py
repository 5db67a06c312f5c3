"""The outcome of a conversion as tables on a terminal."""

from __future__ import annotations

from converter import metrics
from converter.candidate import HERE, Candidate
from converter.compare import Comparison
from converter.refine import Sensitivity
from converter.report import ProfileReport, Report

_WIDE_COLUMNS = 106


def show(report: Report) -> None:
    """Print one table of the bundles, and one of why the other candidates lost."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, soft_wrap=False)
    bundles = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    heads = ("profile", "candidate", score_head(report), "±float", "size", "p50/p95 ms", "proved on")
    shown = len(heads) if console.width >= _WIDE_COLUMNS else heads.index("proved on")
    for index, head in enumerate(heads[:shown]):
        bundles.add_column(head, justify="right" if 2 <= index <= 5 else "left", no_wrap=index < 6)
    for profile in report.profiles:
        bundles.add_row(*_bundle_row(report, profile)[:shown])
    console.print(bundles)
    console.print(f"Yardstick: {report.yardstick}; {basis(report)}.", soft_wrap=True)
    for chosen in {profile.chosen: profile for profile in report.profiles if profile.chosen}.values():
        console.print(f"{chosen.chosen}: {judgement(report, chosen)}.", soft_wrap=True)
    for profile in report.profiles:
        if profile.measured_on not in ("", HERE):
            console.print(f"{profile.profile}: measured on {place(report, profile.measured_on)}.", soft_wrap=True)
    if any(not profile.measured_on for profile in report.profiles):
        console.print(f"* measured on {place(report, HERE)}, not on the device.", soft_wrap=True)
    console.print()
    for profile in report.profiles:
        _show_verdicts(profile)
    for found in report.sensitivity:
        _show_curve(found)


def _show_verdicts(profile: ProfileReport) -> None:
    width = max((len(verdict.key) for verdict in profile.verdicts), default=0)
    for verdict in profile.verdicts:
        mark = "✓" if verdict.chosen else "✗"
        print(f"  {profile.profile:20} {mark} {verdict.key:{width}} {verdict.reason}")
    for left in profile.left_out:
        print(f"  {profile.profile:20} – {left.runtime}/{left.delegate} is not claimed: {left.reason}")
    if profile.problem:
        print(f"  {profile.profile:20} ! no bundle: {profile.problem}")


def _show_curve(found: Sensitivity) -> None:
    print(f"\n  {found.key} lost too much; with the operators that suffer most back in float32:")
    for step in sorted(found.curve, key=lambda step: step.kept_float):
        lost = "failed" if step.drop_points is None else f"{step.drop_points:6.2f} points lost"
        print(f"    {step.kept_float:3} of {len(found.layers)}  {lost}  {step.size_bytes / 1e3:,.1f} kB")


def _bundle_row(report: Report, profile: ProfileReport) -> tuple[str, ...]:
    if profile.chosen is None:
        return (profile.profile, "none", "", "", "", "", "")
    candidate, star = report.candidate(profile.chosen), "" if profile.measured_on else "*"
    times = f"{profile.cost.p50_ms:.3g}/{profile.cost.p95_ms:.3g}{star}" if profile.cost else ""
    claims = ", ".join(f"{claim.runtime}/{claim.delegate}" for claim in profile.claims)
    return (
        profile.profile,
        candidate.key,
        score(report, candidate),
        against_float(candidate),
        kb(candidate),
        times,
        claims,
    )


def judgement(report: Report, profile: ProfileReport) -> str:
    """How sure the difference of the chosen candidate from float is."""
    assert profile.chosen is not None
    candidate = report.candidate(profile.chosen)
    assert candidate.told is not None
    where = "confirmed on" if candidate.confirmed_on else "on"
    found = [f"{signed(-candidate.told.drop_points)} points against float, {where} {candidate.told.items:,} items"]
    if spread := interval(candidate.told):
        found.append(f"95 % interval {spread}")
    return "; ".join([*found, profile.caution] if profile.caution else found)


def place(report: Report, name: str) -> str:
    """A machine by its name, and what it is."""
    machine = report.machines[name]
    return f"{name} ({machine.board or machine.cpu})"


def basis(report: Report) -> str:
    """On which items."""
    if report.split:
        return f"{report.items:,} items, one half to choose on, the other to confirm the choice"
    return f"{report.items:,} items, too few to choose on one half and confirm on the other"


def score_head(report: Report) -> str:
    """Name of the score."""
    short = {"top1": "top-1", "top5": "top-5", "f1": "F1", "auc": "AUC", "mae": "mean error", "none": "agreement"}
    return short.get(report.metric, report.metric)


def score(report: Report, candidate: Candidate) -> str:
    """The candidate's score in its metric's own form."""
    told = candidate.told
    if told is None:
        return ""
    if told.score is not None:
        return metrics.shown(report.metric, told.score)
    return "" if told.agreement_percent is None else f"{told.agreement_percent:.2f} %"


def against_float(candidate: Candidate) -> str:
    """The difference from float, in points."""
    return "" if candidate.told is None else signed(-candidate.told.drop_points)


def interval(comparison: Comparison) -> str:
    """Where the difference from float lies, in points; empty where no interval is known."""
    if comparison.drop_low_points is None or comparison.drop_high_points is None:
        return ""
    return f"{signed(-comparison.drop_high_points)} to {signed(-comparison.drop_low_points)}"


def signed(points: float) -> str:
    """A difference in points; never a negative zero."""
    return f"{round(points, 2) + 0.0:+.2f}"


def kb(candidate: Candidate) -> str:
    """Size of the model file."""
    return f"{candidate.size_bytes / 1e3:,.1f} kB"
