"""Generate docs/report.md from the structs of the converter's report."""

from __future__ import annotations

import sys

import msgspec

from converter import candidate, choose, compare, report
from firmware_profiles import evaluation, manifest, wire
from firmware_profiles.errors import guarded
from tools import generated
from tools.struct_tables import table

_INTRODUCTION = """\
`godwit convert` writes `report.json` (the struct `Report`, also printed by `--json`), `report.html` for
people, and `NAME-VERSION-PROFILE.evidence.json` (the struct `Evidence`) beside each bundle. `format` is 1;
a reader ignores keys that it does not know."""
_DOCUMENTS: tuple[type[msgspec.Struct], ...] = (report.Report, report.Evidence)
_PARTS: tuple[type[msgspec.Struct], ...] = (
    report.ProfileReport,
    choose.Verdict,
    report.LeftOut,
    candidate.Candidate,
    compare.Comparison,
    compare.ClassDamage,
    candidate.Cost,
    manifest.RuntimeClaim,
    wire.RuntimeInUse,
    wire.SkippedRuntime,
    evaluation.Machine,
)


def text() -> str:
    """The whole document."""
    pieces = ["# The report", "Generated from `converter/report.py` by `make docs`: do not edit.", _INTRODUCTION]
    for kind in _DOCUMENTS:
        pieces += [f"## {kind.__name__}", *table(kind)]
    pieces.append("## Parts")
    for kind in _PARTS:
        pieces += [f"### {kind.__name__}", *table(kind)]
    return "\n\n".join(pieces) + "\n"


def main() -> int:
    """Write or check the document."""
    return generated.deliver("report.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
