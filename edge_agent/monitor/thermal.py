"""How fast sources may go in the heat: slower, step by step, before the kernel slows the whole device. No numpy here.

Pure: it is told the temperature and the time, and answers with a factor on the rate.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

# Each step takes about a third of the heat away. The last is not 0: an agent that answers nothing cannot even tell
# why, and protecting the hardware is the kernel's task.
STEPS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.05)
# A heat sink follows the load within tens of seconds: a step shows its effect before the next is taken.
DOWN_EVERY_S = 10.0
UP_EVERY_S = 60.0
FAR_ABOVE_C = 5.0


class Thermal(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When the sources slow down in the heat.

    Attributes:
        max_temp_c: from this temperature on, the sources' rate is lowered; None: never.
        resume_below_c: it is raised again when the temperature is so much below that.
    """

    max_temp_c: Annotated[float, Meta(ge=30, le=120)] | None = None
    resume_below_c: Annotated[float, Meta(ge=0.5, le=50)] = 5.0


class Pace(NamedTuple):
    """Which of `STEPS` holds, and when it was taken (monotonic seconds)."""

    step: int = 0
    since_s: float = float("-inf")

    @property
    def factor(self) -> float:
        """On the sources' rate."""
        return STEPS[self.step]


def next_pace(policy: Thermal, now: Pace, temperature_c: float | None, now_s: float) -> Pace:
    """The pace that follows; the same object where nothing changes.

    Far above the limit two steps are taken at once. Where the temperature cannot be read the pace stays.
    """
    if policy.max_temp_c is None or temperature_c is None:
        return now
    waited_s = now_s - now.since_s
    step = now.step
    if temperature_c >= policy.max_temp_c and waited_s >= DOWN_EVERY_S:
        step += 2 if temperature_c >= policy.max_temp_c + FAR_ABOVE_C else 1
    elif temperature_c <= policy.max_temp_c - policy.resume_below_c and waited_s >= UP_EVERY_S:
        step -= 1
    step = min(max(step, 0), len(STEPS) - 1)
    return now if step == now.step else Pace(step, now_s)
