"""When a worker that died is started again, and when its runtime is given up. Pure."""

from __future__ import annotations

import random
from typing import NamedTuple

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 60.0
_DEATHS_OF_ONE_RUNTIME = 3
_HEALTHY_S = 60.0


class Next(NamedTuple):
    """What to do about a death.

    Attributes:
        delay_s: before the worker is started again.
        give_up_runtime: the runtime it used is not to be used any more.
    """

    delay_s: float
    give_up_runtime: bool


class Restarts:
    """Counts deaths that follow each other; a minute of life in between forgets them."""

    def __init__(self) -> None:
        self._deaths = 0

    def died(self, lived_s: float) -> Next:
        """A worker ended after `lived_s` seconds."""
        self._deaths = 1 if lived_s >= _HEALTHY_S else self._deaths + 1
        delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** (self._deaths - 1))
        give_up = self._deaths % _DEATHS_OF_ONE_RUNTIME == 0
        return Next(delay_s * random.uniform(0.8, 1.2), give_up)  # noqa: S311  # jitter, no secret
