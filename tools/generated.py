"""Documents that are generated: written, or with `--check` only compared."""

from __future__ import annotations

import sys
from pathlib import Path

from firmware_profiles import atomic
from firmware_profiles.errors import InputError, Problem

_ROOT = Path(__file__).parent.parent


def deliver(name: str, text: str) -> int:
    """Write `text` to docs/NAME, or compare it with `--check` on the command line.

    Raises:
        InputError: the document is out of date.
    """
    path = _ROOT / "docs" / name
    if "--check" not in sys.argv:
        atomic.write_bytes(path, text.encode())
    elif not path.exists() or path.read_text(encoding="utf-8") != text:
        raise InputError(Problem(f"docs/{name}", "what the code says", "an older text", "type: make docs"))
    return 0
