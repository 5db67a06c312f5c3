"""The supervisor: keeps a worker alive, its answers safe, and the broker informed.

`wire_up` builds the parts; `Supervisor.run` runs them. Neither numpy nor a runtime is imported here
or by anything that this imports.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

from edge_agent import config, reports, systemd
from edge_agent.config import Config
from edge_agent.deployment import read_slot
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.link.mqtt import Hooks, Link
from edge_agent.link.spool import open_spool
from edge_agent.outbox import Outbox
from edge_agent.publish import Publisher
from edge_agent.reports import Reporter
from firmware_profiles import VERSION, broker_url

_STATUS_S = 1.0
_FIRST_TELEMETRY_S = 5.0
_DRAIN_S = 2.0


def wire_up(root: Root) -> Supervisor:
    """Build the supervisor of a device root.

    Raises:
        InputError: the configuration is wrong, or nothing is installed.
        sqlite3.Error: the spool cannot be opened.
    """
    configuration = config.load(root.config)
    deployment = read_slot(root.active)
    spool = open_spool(root.spool, configuration.spool)
    address = broker_url.parse(configuration.broker.url, str(root.config))
    device = configuration.device
    link = Link(address, f"godwit-{device}", reports.status(device, "offline"))
    outbox = Outbox(device, spool, link, Publisher(configuration.publish), configuration.spool)
    host = Host(root, configuration, deployment, outbox)
    return Supervisor(configuration, link, outbox, host, Reporter(root, configuration, deployment, link, host, spool))


class Supervisor:
    """One running agent."""

    def __init__(self, configuration: Config, link: Link, outbox: Outbox, host: Host, reporter: Reporter) -> None:
        self._config = configuration
        self._link = link
        self._outbox = outbox
        self._host = host
        self._reporter = reporter
        self._stopping = asyncio.Event()
        self._failure: BaseException | None = None

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT.

        Raises:
            sqlite3.Error: the disk refused; whoever restarts us finds everything that was committed.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._callback_failed)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        self._host.start()
        self._announce()
        hooks = Hooks(self._connected, self._outbox.acknowledged)
        jobs = (self._link.run(hooks), self._status(), self._telemetry(), self._watchdog(), self._info())
        tasks = [asyncio.create_task(job) for job in jobs]
        for task in tasks:
            task.add_done_callback(self._job_ended)
        systemd.notify("READY=1")
        await self._stopping.wait()
        await self._stop(tasks)
        if self._failure is not None:
            raise self._failure

    def _announce(self) -> None:
        spool = self._outbox.spool
        if spool.replaced:
            text = f"the spool was damaged; it is kept as {spool.replaced.name}, and its messages are not sent"
            self._outbox.event("spool_replaced", "error", text)
        self._outbox.event("started", "info", f"edge-agent {VERSION}, process {os.getpid()}")

    def _connected(self) -> None:
        self._link.retain(reports.status(self._config.device, "online"))
        self._link.retain(self._reporter.info())
        self._outbox.connected()

    async def _info(self) -> None:
        """What runs the model changes whenever it was proved anew."""
        while True:
            await self._host.on_ready.wait()
            self._host.on_ready.clear()
            self._link.retain(self._reporter.info())

    async def _status(self) -> None:
        while True:
            self._reporter.write_status()
            self._host.check_memory()
            await asyncio.sleep(_STATUS_S)

    async def _telemetry(self) -> None:
        interval_s = self._config.telemetry.interval_s
        await asyncio.sleep(min(_FIRST_TELEMETRY_S, interval_s))
        while True:
            self._outbox.telemetry(self._reporter.telemetry)
            await asyncio.sleep(interval_s)

    async def _watchdog(self) -> None:
        """An idle agent is healthy, and a hung worker dies by its own deadline: so it is enough to be here."""
        interval_s = systemd.watchdog_interval_s()
        while interval_s:
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        systemd.notify("STOPPING=1")
        self._host.stop()
        try:
            if self._failure is None:
                self._outbox.commit()
                await self._link.stop(reports.status(self._config.device, "stopped"), _DRAIN_S)
        finally:
            for task in tasks:
                task.remove_done_callback(self._job_ended)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._reporter.write_status(stopped=True)
            if self._failure is None:
                self._outbox.spool.close()

    def _job_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    def _callback_failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._fail(context.get("exception") or RuntimeError(context["message"]))

    def _fail(self, error: BaseException | None) -> None:
        """Anything unforeseen ends the process: a restart from the spool is the one recovery."""
        self._failure = self._failure or error
        self._stopping.set()
