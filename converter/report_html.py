"""`report.html`: one self-contained page for a person who was not there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from converter import report_plot
from converter.candidate import Candidate, Cost
from converter.choose import Verdict
from converter.report import ProfileReport, Report
from converter.table import against_float, basis, judgement, kb, score, score_head

_STYLE = Path(__file__).with_name("report.css")


def page(report: Report) -> str:
    """The page."""
    title = f"{report.name} {report.version}"
    sections = [
        _heading(report),
        _section("Bundles", "", _card(_bundles(report))),
        _section(
            "The candidates",
            _plot_note(report),
            f"<div class=card>{report_plot.svg(report)}</div>" + _card(_candidates(report)),
        ),
        _section("Why, profile by profile", "", _profiles(report)),
        _section("How it was measured", "", f"<div class=card>{_method(report)}</div>"),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – Godwit report</title>\n"
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n<main>\n{''.join(sections)}</main>\n</html>\n"
    )


def _heading(report: Report) -> str:
    made = sum(1 for profile in report.profiles if profile.chosen)
    wanted = len(report.profiles)
    counted = f"{made} of {wanted} bundles" if made != wanted else f"{made} bundle{'s' if made != 1 else ''}"
    return (
        f"<header><h1>{escape(report.name)} <small>{escape(report.version)}</small></h1>"
        f"<p>{counted} from <code>{escape(report.source)}</code>, made on {report.made_at:%d %B %Y at %H:%M} UTC"
        f" in {report.seconds:.0f} s. The goal: lose no more than {report.goal_max_drop_points:.1f} points against"
        f" float, then the best {escape(report.goal_optimise)}.</p></header>\n"
    )


def _section(title: str, note: str, body: str) -> str:
    told = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{title}</h2>{told}{body}</section>\n"


def _card(table: str) -> str:
    return f'<div class="card scroll">{table}</div>\n'


def _bundles(report: Report) -> str:
    heads = ("Profile", "Recipe", _capital(score_head(report)), "Against float", "Size", "p50", "p95", "Proved here on")
    rows = []
    for profile in report.profiles:
        if profile.chosen is None:
            rows.append(f"<tr><td>{escape(profile.profile)}<td colspan=7 class='none wrap'>{escape(profile.problem)}")
            continue
        candidate = report.candidate(profile.chosen)
        claims = ", ".join(f"{claim.runtime}/{claim.delegate}" for claim in profile.claims)
        cells = [escape(profile.profile), f"<code>{escape(profile.chosen)}</code>", *_figures(report, candidate)]
        rows.append(_row([*cells, *_times(profile.cost, here=profile.measured_here), escape(claims)], numbers=(2, 7)))
    foot = "<p class=foot>* measured on the machine that converted, not on the device.</p>"
    elsewhere = any(profile.chosen and not profile.measured_here for profile in report.profiles)
    return _table(heads, rows, numbers=(2, 7)) + (foot if elsewhere else "")


def _candidates(report: Report) -> str:
    heads = ("Recipe", _capital(score_head(report)), "Against float", "Size", "p50", "p95", "Same class", "Mult-adds")
    rows = []
    for each in report.candidates:
        if each.outcome != "measured":
            text = f"{each.outcome}: {each.reason}"
            rows.append(f"<tr><td><code>{each.recipe}</code><td colspan=7 class=wrap>{escape(text)}")
            continue
        agreement = each.told.agreement_percent if each.told else None
        same = "" if agreement is None else f"{agreement:.1f} %"
        name = f"<code>{each.recipe}</code>{' (float)' if each.recipe == report.reference else ''}"
        cells = [
            name,
            *_figures(report, each),
            *_times(next(iter(each.costs), None), here=True),
            same,
            f"{each.multiply_adds:,}",
        ]
        rows.append(_row(cells, numbers=(1, 8)))
    return _table(heads, rows, numbers=(1, 8))


def _figures(report: Report, candidate: Candidate) -> list[str]:
    return [score(report, candidate), against_float(candidate), kb(candidate)]


def _times(cost: Cost | None, *, here: bool) -> list[str]:
    if cost is None:
        return ["", ""]
    mark = "" if here else " class=host"
    return [f"<span{mark}>{time:.3g} ms</span>" for time in (cost.p50_ms, cost.p95_ms)]


def _profiles(report: Report) -> str:
    return f"<div class=profiles>{''.join(_profile(report, profile) for profile in report.profiles)}</div>"


def _judged(report: Report, profile: ProfileReport) -> str:
    return f"<p>{escape(judgement(report, profile))}</p>" if profile.chosen else ""


def _profile(report: Report, profile: ProfileReport) -> str:
    decided = "Decided by what was measured here: this machine is such a device."
    by_rule = "Not measured on the device: decided by the profile's rules."
    left = "".join(
        f"<li><code>{entry.runtime}/{entry.delegate}</code><span>not claimed: {escape(entry.reason)}</span>"
        for entry in profile.left_out
    )
    sha = f"<p>sha256 <code>{profile.bundle_sha256[:16]}…</code>, {profile.bundle_bytes:,} bytes</p>"
    return (
        f"<div class=card><h3>{escape(profile.title)}</h3>"
        f"<p><code>{escape(profile.profile)}</code>. {decided if profile.measured_here else by_rule}</p>"
        f"{_judged(report, profile)}{sha if profile.bundle else ''}"
        f"<ul>{''.join(map(_verdict, profile.verdicts))}{left}</ul></div>"
    )


def _verdict(verdict: Verdict) -> str:
    chosen = " class=chosen" if verdict.chosen else ""
    return f"<li{chosen}><code>{verdict.recipe}</code><span>{escape(verdict.reason)}</span>"


def _method(report: Report) -> str:
    machine = report.machine
    rows = {
        "Yardstick": f"{report.yardstick}, on {basis(report)}",
        "Float": f"{report.reference}: the model as it came",
        "Machine": f"{machine.cpu}, {machine.cores} cores, {machine.arch}, {machine.system}, Python {machine.python}",
        "Latency": _latency_method(report.candidates),
        "Tools": ", ".join(f"{name} {version}" for name, version in report.tools.items()),
    }
    return f"<dl>{''.join(f'<dt>{name}<dd>{escape(text)}' for name, text in rows.items())}</dl>"


def _latency_method(candidates: Sequence[Candidate]) -> str:
    cost = next((each.costs[0] for each in candidates if each.costs), None)
    if cost is None:
        return "not measured: no candidate met the goal"
    threads = f"{cost.threads} thread{'s' if cost.threads != 1 else ''}"
    return (
        f"{cost.runs} runs after warm-up, each in turn with one of float in the same process, {threads}, batch 1,"
        " tensor in to tensor out; nothing else of this conversion ran meanwhile"
    )


def _plot_note(report: Report) -> str:
    missed = [each.recipe for each in report.candidates if each.chosen_on is not None and not each.costs]
    told = f" Latency was not measured for {', '.join(missed)}: too much is lost." if missed else ""
    return f"Higher is better, further left is better.{told}"


def _table(heads: Sequence[str], rows: Iterable[str], numbers: tuple[int, int]) -> str:
    cells = "".join(f"<th{_number(index, numbers)}>{head}" for index, head in enumerate(heads))
    return f"<table><thead><tr>{cells}</thead><tbody>{''.join(rows)}</tbody></table>"


def _row(cells: Sequence[str], numbers: tuple[int, int]) -> str:
    return "<tr>" + "".join(f"<td{_number(index, numbers)}>{cell}" for index, cell in enumerate(cells))


def _number(index: int, numbers: tuple[int, int]) -> str:
    return " class=n" if numbers[0] <= index < numbers[1] else ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
