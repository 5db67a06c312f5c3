"""What the agent says about itself: status.json, the retained messages, telemetry."""

from __future__ import annotations

import contextlib
import os
from typing import Literal

import msgspec

from edge_agent import clock
from edge_agent.config import Config
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.link.mqtt import Link, Retained
from edge_agent.link.spool import Spool
from edge_agent.monitor import machine
from edge_agent.monitor.readings import Monitor, Places
from edge_agent.monitor.wear import Wear
from edge_agent.status import Status
from firmware_profiles import VERSION, broker_url, topics, wire


def status(device: str, state: Literal["online", "stopped", "offline"]) -> Retained:
    """The retained status message."""
    moment = clock.moment()
    return Retained(topics.topic(device, "status"), wire.encode(wire.Status(state, moment.time)))


class Reporter:
    """Looks at the other parts and writes down what it sees.

    Attributes:
        listens: where HTTP listens; empty where it does not.
    """

    def __init__(self, root: Root, config: Config, link: Link, host: Host, spool: Spool) -> None:
        self.listens = ""
        self._path = root.status
        self._monitor = Monitor(host.deployment.manifest.sensors, Places(root.folder))
        self._config = config
        self._link = link
        self._host = host
        self._spool = spool
        self._wear = Wear()
        address = broker_url.parse(config.broker.url, "broker.url")
        self._broker = f"{address.host}:{address.port}"

    def info(self) -> Retained:
        """The retained info message."""
        manifest = self._host.deployment.manifest
        info = wire.Info(
            device=self._config.device,
            agent=VERSION,
            profile=manifest.profiles[0],
            deployment=manifest.name,
            version=manifest.version,
            models=self._host.in_use,
        )
        return Retained(topics.topic(self._config.device, "info"), wire.encode(info))

    def telemetry(self, seq: int) -> wire.Telemetry:
        """How the device does, right now."""
        heard = self._host.heard
        self._monitor.sensors = self._host.deployment.manifest.sensors
        return wire.Telemetry(
            seq=seq,
            spool=self._spool.id,
            **clock.moment()._asdict(),
            predictions=heard.predictions,
            rejected=heard.rejected.count,
            latency_p50_ms=heard.record.latency.percentile_ms(50),
            latency_p95_ms=heard.record.latency.percentile_ms(95),
            worker_rss_bytes=machine.rss_bytes(self._host.worker_pid) if self._host.worker_pid else 0,
            supervisor_rss_bytes=machine.rss_bytes(os.getpid()),
            spool_messages=self._spool.messages,
            spool_bytes=self._spool.bytes,
            dropped=self._dropped(),
            **msgspec.structs.asdict(self._monitor.read()),
            expired={str(kind): count for kind, count in self._spool.expired.items()},
            written_bytes_per_day=self._wear.bytes_per_day(),
            rate_factor=self._host.rate_factor,
        )

    def write_status(self, *, stopped: bool = False) -> None:
        """Replace status.json. Without fsync: it says nothing that matters after a power cut."""
        temporary = self._path.with_suffix(".tmp")
        with contextlib.suppress(OSError):  # on a full disk the old one stays
            temporary.write_bytes(msgspec.json.encode(self.status(stopped=stopped)))
            os.replace(temporary, self._path)

    def status(self, *, stopped: bool = False) -> Status:
        """What status.json says."""
        heard, manifest = self._host.heard, self._host.deployment.manifest
        return Status(
            state="stopped" if stopped else self._host.state,
            problem=self._host.problem,
            device=self._config.device,
            deployment=manifest.name,
            version=manifest.version,
            profile=manifest.profiles[0],
            supervisor_pid=os.getpid(),
            worker_pid=self._host.worker_pid,
            broker=self._broker,
            connected=self._link.connected and not stopped,
            predictions=heard.predictions,
            rejected=heard.rejected.count,
            latency_p50_ms=heard.record.latency.percentile_ms(50),
            latency_p95_ms=heard.record.latency.percentile_ms(95),
            spool_messages=self._spool.messages,
            spool_bytes=self._spool.bytes,
            dropped=self._dropped(),
            models=self._host.in_use,
            sources=dict(heard.sources),
            listens=self.listens,
            rate_factor=self._host.rate_factor,
        )

    def _dropped(self) -> dict[str, int]:
        return {str(kind): count for kind, count in self._spool.dropped.items()}
