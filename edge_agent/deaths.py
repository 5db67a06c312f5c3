"""What follows from a worker's death: when the next one starts, on which runtimes, and without which input."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

from edge_agent.hosted import Hosted
from edge_agent.restarts import Restarts
from edge_agent.suspect import Suspect
from firmware_profiles.manifest import Model
from firmware_profiles.results import Input
from firmware_profiles.wire import SkippedRuntime


class Verdict(NamedTuple):
    """What to do.

    Attributes:
        delay_s: before the next worker is started.
        culprit: an input that is to be given up.
    """

    delay_s: float
    culprit: Input | None


class Deaths:
    """Of the workers of one deployment.

    Attributes:
        skipped: runtimes that may not be used any more.
    """

    def __init__(self) -> None:
        self.skipped: list[SkippedRuntime] = []
        self._restarts = Restarts()
        self._suspect = Suspect()

    def worked(self) -> None:
        """A worker answered an input."""
        self._suspect.worked = True

    def died(self, hosted: Hosted, reason: str) -> Verdict:
        """`hosted` died for `reason`."""
        lived_s = time.monotonic() - hosted.started_s
        step = self._restarts.died(lived_s)
        culprit = self._suspect.died(hosted.doing.read(), self._others_left(hosted.deployment.manifest.models))
        if culprit:  # it was no runtime's fault
            self._restarts, self.skipped = Restarts(), []
            step = self._restarts.died(lived_s)
        if step.give_up_runtime:
            used = {(each.runtime, each.delegate) for each in hosted.in_use.values()}
            self.skipped += [SkippedRuntime(*place, f"worker: {reason}") for place in sorted(used)]
        return Verdict(step.delay_s, culprit)

    def _others_left(self, models: Sequence[Model]) -> bool:
        """Whether some model claims a runtime besides the one in use that was not given up."""
        gone = {(skipped.runtime, skipped.delegate) for skipped in self.skipped}
        left = ({(each.runtime, each.delegate) for each in model.runtimes} - gone for model in models)
        return any(len(claims) > 1 for claims in left)


def reason_of(code: int, deadline_s: float) -> str:
    """Why a process ended with the return code `code`, for people."""
    if code == -signal.SIGALRM:
        return f"no answer within its deadline ({deadline_s:g} s)"
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
