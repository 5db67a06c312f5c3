"""`report.html`: one self-contained page."""

from __future__ import annotations

from converter.report import Report


def page(report: Report) -> str:
    """The page."""
    return f"<!doctype html><title>{report.name}</title>"
