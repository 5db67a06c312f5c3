"""How a running agent does: `run/health.json`, from the agent to the updater."""

from __future__ import annotations

from typing import Literal

import msgspec


class Health(msgspec.Struct, frozen=True):
    """Of one deployment since it took over.

    Attributes:
        manifest_sha256: of `manifest.json` in the slot that it runs from.
        reason: why it was refused.
        since_uptime_ms: milliseconds since boot when it came to its state.
        boot: as in the wire's header.
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
