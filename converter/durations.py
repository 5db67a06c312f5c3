"""Times as people write them: 90s, 20m, 2h."""

from __future__ import annotations

import re

from firmware_profiles.errors import InputError, Problem

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_TIME = re.compile(r"([0-9]{1,6})([smh]?)\Z")


def seconds(text: str, where: str) -> float:
    """Raises InputError where it is no time."""
    match = _TIME.match(text)
    if match is None:
        raise InputError(Problem(where, "a time", repr(text), "as in 90s, 20m or 2h"))
    return float(match[1]) * _UNITS[match[2]]
