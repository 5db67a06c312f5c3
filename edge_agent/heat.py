"""Slows the sources down in the heat, by the policy of `monitor.thermal`."""

from __future__ import annotations

import asyncio
import time

from edge_agent.hosting import Host
from edge_agent.monitor import thermal
from edge_agent.monitor.readings import Monitor
from edge_agent.monitor.thermal import Pace, Thermal
from edge_agent.outbox import Outbox

_LOOK_S = 2.0


class Heat:
    """Looks at the temperature now and then.

    Attributes:
        policy: may be replaced at any time.
    """

    def __init__(self, policy: Thermal, monitor: Monitor, host: Host, outbox: Outbox) -> None:
        self.policy = policy
        self._monitor = monitor
        self._host = host
        self._outbox = outbox
        self._pace = Pace()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._monitor.sensors = self._host.deployment.manifest.sensors
            temperature_c = self._monitor.temperature_c() if self.policy.max_temp_c is not None else None
            self._turn(temperature_c)
            await asyncio.sleep(_LOOK_S)

    def _turn(self, temperature_c: float | None) -> None:
        before = self._pace
        if self.policy.max_temp_c is None:
            self._pace = Pace()
        else:
            self._pace = thermal.next_pace(self.policy, before, temperature_c, time.monotonic())
        if self._pace.factor == before.factor:
            return
        self._host.pace(self._pace.factor)
        lowered = self._pace.factor < before.factor
        measured = "no limit any more" if temperature_c is None else f"{temperature_c:.1f} °C"
        text = f"{measured}: sources go at {100 * self._pace.factor:.0f} % of their rate"
        if lowered:
            self._outbox.event("rate_lowered", "warning", text)
        else:
            self._outbox.event("rate_raised", "info", text)
