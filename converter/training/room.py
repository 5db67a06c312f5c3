"""What there is room for on a device."""

from __future__ import annotations

import sys
from typing import NamedTuple


class Room(NamedTuple):
    """What a student may cost at most."""

    weights: int = sys.maxsize
    multiply_adds: int = sys.maxsize
