"""What a conversion leaves behind, and how it ends."""

from __future__ import annotations

from pathlib import Path

from converter import report, report_html
from converter.report import Report
from firmware_profiles import atomic
from firmware_profiles.errors import GoalError, Problem


def write(result: Report, folder: Path) -> list[Path]:
    """Write both reports; the paths of everything that the conversion made."""
    folder.mkdir(parents=True, exist_ok=True)
    as_json, as_html = folder / "report.json", folder / "report.html"
    atomic.write_bytes(as_json, report.encode(result))
    atomic.write_bytes(as_html, report_html.page(result).encode())
    return [*(Path(profile.bundle) for profile in result.profiles if profile.bundle), as_json, as_html]


def check(result: Report, paths: list[Path]) -> None:
    """Raises GoalError for every profile that got no bundle."""
    step = f"see {paths[-1]}; allow a larger --max-drop, calibrate with more data, or choose another profile"
    problems = [
        Problem(f"profile {profile.profile}", "a bundle", profile.problem, step)
        for profile in result.profiles
        if profile.problem
    ]
    if problems:
        raise GoalError(*problems)
