"""Does a new version do well? The verdict on what the agent says about itself."""

from __future__ import annotations

from typing import Literal, NamedTuple

from edge_agent.ota.kinds import Expected
from edge_agent.update_config import Update
from firmware_profiles.health import Health

ANSWERS_FOR_P95 = 20
"""Of fewer, the slowest twentieth says nothing."""
START_MS = 40 * 60_000
"""TensorRT builds an engine for up to half an hour before the first answer."""


class Verdict(NamedTuple):
    """The end of a probation."""

    event: Literal["proved", "unhealthy"]
    reason: str


class Probation(NamedTuple):
    """What is expected of a version.

    Attributes:
        expected: whose health counts, and what it may cost.
        began_uptime_ms: since when the updater looks.
    """

    expected: Expected
    settings: Update
    boot: str
    began_uptime_ms: int


def judge(of: Probation, health: Health | None, now_uptime_ms: int) -> Verdict | None:
    """The verdict on `health`; None while it is too early for one."""
    if fault := of.expected.fault():
        return Verdict("unhealthy", fault)
    if health is None or health.boot != of.boot or not of.expected.is_it(health):
        if now_uptime_ms - of.began_uptime_ms > START_MS:
            return Verdict("unhealthy", f"the agent did not take it up within {START_MS // 60_000} minutes")
        return None
    if fault := _fault(of, health):
        return Verdict("unhealthy", fault)
    if health.state != "running":
        return None
    minutes = (now_uptime_ms - health.since_uptime_ms) / 60_000
    wanted = of.settings
    done = f"{health.predictions} predictions in {minutes:.1f} minutes"
    if minutes >= wanted.prove_minutes and health.predictions >= wanted.prove_predictions:
        return Verdict("proved", done)
    if minutes > max(wanted.prove_within_minutes, wanted.prove_minutes):
        return Verdict("unhealthy", f"{done}; it must make {wanted.prove_predictions}")
    return None


def _fault(of: Probation, health: Health) -> str:
    """What is wrong with it already; empty where nothing is."""
    limits, distance = of.expected.limits, health.distribution_distance
    if health.state == "refused":
        return f"the agent refused it: {health.reason}"
    if health.worker_deaths:
        return f"its worker died ({health.worker_deaths})"
    if health.p95_ms is not None and health.predictions >= ANSWERS_FOR_P95 and health.p95_ms > limits.p95_ms:
        return f"p95 is {health.p95_ms:.3g} ms, and must be within {limits.p95_ms:g} ms"
    if health.peak_rss_mb > limits.peak_rss_mb:
        return f"it takes {health.peak_rss_mb:.0f} MB of memory, and may take {limits.peak_rss_mb:g} MB"
    if distance is not None and of.settings.max_distance < distance:
        return f"its answers are {distance:.3g} from those of the version before (at most {of.settings.max_distance:g})"
    return ""
