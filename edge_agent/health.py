"""Writes `run/health.json`, by which the updater judges a deployment."""

from __future__ import annotations

import contextlib
import os
from typing import Any

import msgspec

from edge_agent import clock
from edge_agent.deployment import Deployment
from edge_agent.handover import Handover
from edge_agent.hosting import Host
from edge_agent.launched import own_slot
from edge_agent.layout import Root
from edge_agent.monitor import machine
from edge_agent.monitor.memory import MB
from firmware_profiles import VERSION
from firmware_profiles.health import Health


class Healthy:
    """Looks at the deployment that `slots/active` names."""

    def __init__(self, root: Root, host: Host, handover: Handover) -> None:
        self._path = root.health
        self._host = host
        self._handover = handover

    def write(self) -> None:
        """Replace the file. Without fsync: after a power cut the agent proves itself anew."""
        temporary = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):  # on a full disk the old one stays, and its time tells
            temporary.write_bytes(msgspec.json.encode(self.look()))
            os.replace(temporary, self._path)

    def look(self) -> Health:
        """How it does now."""
        handover = self._handover
        if handover.target or handover.refused:
            return self._of_the_next(handover)
        host, record = self._host, self._host.heard.record
        before = host.heard.before
        return Health(
            **_named(host.deployment),
            state=host.state,
            reason=host.problem if host.state == "refused" else "",
            since_uptime_ms=record.since_uptime_ms,
            predictions=record.predictions,
            rejected=host.heard.rejected.count,
            worker_deaths=record.deaths,
            p95_ms=record.latency.percentile_ms(95),
            peak_rss_mb=_peak_mb(host.worker_pid),
            distribution_distance=record.distance(before) if before else None,
        )

    def _of_the_next(self, handover: Handover) -> Health:
        return Health(
            **_named(handover.target),
            state="refused" if handover.refused else "starting",
            reason=handover.refused,
            since_uptime_ms=handover.since_uptime_ms,
            predictions=0,
            p95_ms=None,
            worker_deaths=handover.deaths,
            peak_rss_mb=_peak_mb(handover.candidate.pid if handover.candidate else 0),
        )


def _named(deployment: Deployment | None) -> dict[str, Any]:
    moment = clock.moment()
    return {
        "manifest_sha256": deployment.manifest_sha256 if deployment else "",
        "deployment": deployment.manifest.name if deployment else "",
        "version": deployment.manifest.version if deployment else "",
        "boot": moment.boot,
        "uptime_ms": moment.uptime_ms,
        "agent": VERSION,
        "agent_slot": own_slot(),
    }


def _peak_mb(pid: int) -> float:
    return round(machine.peak_rss_bytes(pid) / MB, 1) if pid else 0.0
