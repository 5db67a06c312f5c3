"""`report.html`: one self-contained page for a person who was not there."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from converter import report_plot, report_refined, report_training
from converter.candidate import HERE, Candidate
from converter.choose import Verdict
from converter.compare import Comparison
from converter.report import ProfileReport, Report
from converter.report_tables import candidates, capital, classes, costs_on, figures, passes, row, table, times
from converter.table import basis, judgement, place, score_head
from firmware_profiles.evaluation import Machine

_CLASSES = "What float and the candidate get right, the worst loss first; one of few items means little."
_STYLE = Path(__file__).with_name("report.css")


def page(report: Report) -> str:
    """The page."""
    title = f"{report.name} {report.version}"
    trained = report_training.training(report)
    refined = report_refined.sensitivity(report)
    sections = [
        _heading(report),
        _section("Bundles", "", _card(_bundles(report))),
        _section(
            "The candidates",
            _plot_note(report),
            f"<div class=card>{report_plot.svg(report)}</div>" + _card(candidates(report)),
        ),
        *(
            _section(f"What they cost on {escape(place(report, name))}", "", _card(costs_on(report, name)))
            for name in report.machines
            if name != HERE
        ),
        *([_section("What was done to the whole model", "", _card(done))] if (done := passes(report)) else []),
        *([_section("What training did", report_training.NOTE, trained)] if trained else []),
        *([_section("Precision given back", report_refined.NOTE, refined)] if refined else []),
        *(_section(f"Class by class: {key}", _CLASSES, _card(classes(told))) for key, told in _winners(report)),
        _section("Why, profile by profile", "", _profiles(report)),
        _section("How it was measured", "", f"<div class=card>{_method(report)}</div>"),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)} – Godwit report</title>\n"
        f"<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n<main>\n{''.join(sections)}</main>\n</html>\n"
    )


def _winners(report: Report) -> list[tuple[str, Comparison]]:
    """Each chosen candidate once, with what may be said about it, if it is about classes."""
    chosen = dict.fromkeys(profile.chosen for profile in report.profiles if profile.chosen)
    found = ((key, report.candidate(key).told) for key in chosen)
    return [(key, told) for key, told in found if told and told.classes]


def _heading(report: Report) -> str:
    made = sum(1 for profile in report.profiles if profile.chosen)
    wanted = len(report.profiles)
    counted = f"{made} of {wanted} bundles" if made != wanted else f"{made} bundle{'s' if made != 1 else ''}"
    return (
        f"<header><h1>{escape(report.name)} <small>{escape(report.version)}</small></h1>"
        f"<p>{counted} from {_sources(report)}, made on {report.made_at:%d %B %Y at %H:%M} UTC"
        f" in {report.seconds:.0f} s. The goal: lose no more than {report.goal_max_drop_points:.1f} points against"
        f" float, then the best {escape(report.goal_optimise)}.</p>"
        f"{''.join(f'<p class=none>{escape(text)}</p>' for text in report.warnings)}</header>\n"
    )


def _sources(report: Report) -> str:
    own = f"<code>{escape(report.source)}</code>"
    others = [f"{escape(name)} <code>{escape(source)}</code>" for name, source in report.others.items()]
    return f"{own}, which competed with {', '.join(others)}" if others else own


def _section(title: str, note: str, body: str) -> str:
    told = f"<p class=note>{note}</p>" if note else ""
    return f"<section><h2>{title}</h2>{told}{body}</section>\n"


def _card(table: str) -> str:
    return f'<div class="card scroll">{table}</div>\n'


def _bundles(report: Report) -> str:
    heads = (
        "Profile",
        "Candidate",
        capital(score_head(report)),
        "Against float",
        "Size",
        "p50",
        "p95",
        "Measured on",
        "Proved on",
    )
    rows = []
    for profile in report.profiles:
        if profile.chosen is None:
            rows.append(f"<tr><td>{escape(profile.profile)}<td colspan=8 class='none wrap'>{escape(profile.problem)}")
            continue
        rows.append(row(_bundle(report, profile, report.candidate(profile.chosen)), numbers=(2, 7)))
    foot = "<p class=foot>* measured on the machine that converted, not on the device.</p>"
    elsewhere = any(profile.chosen and not profile.measured_on for profile in report.profiles)
    return table(heads, rows, numbers=(2, 7)) + (foot if elsewhere else "")


def _bundle(report: Report, profile: ProfileReport, candidate: Candidate) -> list[str]:
    claims = ", ".join(f"{claim.runtime}/{claim.delegate}" for claim in profile.claims)
    return [
        escape(profile.profile),
        f"<code>{escape(candidate.key)}</code>",
        *figures(report, candidate),
        *times(profile.cost, mark=not profile.measured_on),
        escape(profile.cost.measured_on) if profile.cost else "",
        escape(claims),
    ]


def _profiles(report: Report) -> str:
    return f"<div class=profiles>{''.join(_profile(report, profile) for profile in report.profiles)}</div>"


def _judged(report: Report, profile: ProfileReport) -> str:
    return f"<p>{escape(judgement(report, profile))}</p>" if profile.chosen else ""


def _profile(report: Report, profile: ProfileReport) -> str:
    decided = f"Decided by what was measured on {profile.measured_on}, which is such a device."
    by_rule = "Not measured on the device: decided by the profile's rules."
    left = "".join(
        f"<li><code>{entry.runtime}/{entry.delegate}</code><span>not claimed: {escape(entry.reason)}</span>"
        for entry in profile.left_out
    )
    sha = f"<p>sha256 <code>{profile.bundle_sha256[:16]}…</code>, {profile.bundle_bytes:,} bytes</p>"
    return (
        f"<div class=card><h3>{escape(profile.title)}</h3>"
        f"<p><code>{escape(profile.profile)}</code>. {escape(decided if profile.measured_on else by_rule)}</p>"
        f"{_judged(report, profile)}{sha if profile.bundle else ''}"
        f"<ul>{''.join(map(_verdict, profile.verdicts))}{left}</ul></div>"
    )


def _verdict(verdict: Verdict) -> str:
    chosen = " class=chosen" if verdict.chosen else ""
    return f"<li{chosen}><code>{verdict.key}</code><span>{escape(verdict.reason)}</span>"


def _method(report: Report) -> str:
    rows = {
        "Yardstick": f"{report.yardstick}, on {basis(report)}",
        "Float": f"{report.reference}: the model as it came",
        **{capital(name): _machine(machine) for name, machine in report.machines.items()},
        "Latency": _latency_method(report.candidates),
        "Tools": ", ".join(f"{name} {version}" for name, version in report.tools.items()),
    }
    return f"<dl>{''.join(f'<dt>{name}<dd>{escape(text)}' for name, text in rows.items())}</dl>"


def _machine(machine: Machine) -> str:
    what = [machine.board, machine.cpu, f"{machine.cores} cores", machine.arch, machine.system]
    return ", ".join([*filter(None, what), f"Python {machine.python}"])


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
    missed = [each.key for each in report.candidates if each.chosen_on is not None and not each.costs]
    told = f" Latency was not measured for {', '.join(missed)}: too much is lost." if missed else ""
    return f"Higher is better, further left is better.{told}"
