"""`run/health.json`: how the deployment does that `slots/active` names; the agent tells the updater each second."""

from __future__ import annotations

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True):
    """One deployment, and how it does.

    While it is `starting` or `refused` the deployment before it answers, or, where memory does not hold both, none.

    Attributes:
        manifest_sha256: of the bytes of its manifest.json; empty, as the name and the version, where that
            cannot be read.
        state: starting (being proved), running, refused.
        reason: why it is refused; empty otherwise.
        since_uptime_ms: since when it runs, or is being proved, by CLOCK_BOOTTIME of `boot`.
        boot: first eight hexadecimal digits of the kernel's boot id.
        predictions: answers to inputs of sources since then.
        worker_deaths: since then.
        p95_ms: of the last 512 predictions since then; None before the first.
        peak_rss_mb: the most resident memory that its present worker ever held; 0 where there is none.
        distribution_distance: between its last 1000 answers and those of the deployment before it, from 0 (alike)
            to 1: ½ Σ |p(c) - q(c)| over the classes, or the largest difference of the distribution functions
            where answers are numbers; of several models the largest. None where either gave fewer than 50, and
            after a start of the agent.
        uptime_ms: when this was written, by the same clock.
        agent: version of the agent's code; `agent_slot` is where it lies, empty where no launcher started it.
        rejected: inputs without an answer since the agent started.
    """

    manifest_sha256: str
    deployment: str
    version: str
    state: Literal["starting", "running", "refused"]
    reason: str
    since_uptime_ms: int
    boot: str
    predictions: int
    worker_deaths: int
    p95_ms: float | None
    peak_rss_mb: float
    distribution_distance: float | None = None
    uptime_ms: int = 0
    agent: str = ""
    agent_slot: str = ""
    rejected: int = 0
