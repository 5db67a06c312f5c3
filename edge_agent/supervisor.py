"""The supervisor: keeps a worker alive, its answers safe, and the broker informed.

`wire_up` builds the parts; `Supervisor.run` runs them. Neither numpy nor a runtime is imported here
or by anything that this imports.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any, NamedTuple

import msgspec

from edge_agent import config, launched, reports, systemd
from edge_agent.certified import Certified
from edge_agent.commanded import Commanded
from edge_agent.config import Config, Http
from edge_agent.deployment import read_slot
from edge_agent.employing import Employer
from edge_agent.handover import Handover
from edge_agent.health import Healthy
from edge_agent.heat import Heat
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.link import homeassistant
from edge_agent.link.mqtt import Hooks, Link, Received
from edge_agent.link.remembered import Remembered
from edge_agent.link.spool import open_spool
from edge_agent.monitor.readings import Monitor, Places
from edge_agent.outbox import Outbox
from edge_agent.publish import Publisher
from edge_agent.reloading import Watched
from edge_agent.reports import Reporter
from edge_agent.requested import Requested
from edge_agent.serving import Serving
from edge_agent.spawning import Spawned
from edge_agent.updates_told import UpdatesTold
from edge_agent.web import address
from firmware_profiles import VERSION, topics

_STATUS_S = 1.0
_FIRST_TELEMETRY_S = 5.0
_DRAIN_S = 2.0


class Parts(NamedTuple):
    """What a supervisor is made of."""

    root: Root
    config: Config
    link: Link
    outbox: Outbox
    host: Host
    handover: Handover
    health: Healthy
    requested: Requested
    commanded: Commanded
    certified: Certified
    reporter: Reporter
    heat: Heat
    serving: Serving
    announced: Remembered


def wire_up(root: Root, spawned: Spawned, listen: str | None = None) -> Supervisor:
    """Build the supervisor of a device root, with its first worker.

    Args:
        listen: where HTTP listens, instead of where the configuration says.

    Raises:
        InputError: the configuration is wrong, or nothing is installed.
        sqlite3.Error: the spool cannot be opened.
    """
    settings = config.load(root.config)
    deployment = read_slot(root.active)
    spool = open_spool(root.spool, settings.spool)
    http = settings.http if listen is None else _listening(settings.http, listen)
    device, manifest = settings.device, deployment.manifest
    address = settings.broker.address(root.folder)
    link = Link(address, f"godwit-{device}", reports.status(device, "offline"), root.session)
    outbox = Outbox(device, spool, link, Publisher(settings.publish), settings.spool)
    employer = Employer(root, settings, spawned)
    host = Host(deployment, employer, outbox)
    handover = Handover(root, host, employer, outbox)
    reporter, of_http = (Reporter(root, settings, link, host, spool) for _ in range(2))
    return Supervisor(
        Parts(
            root,
            settings,
            link,
            outbox,
            host,
            handover,
            Healthy(root, host, handover),
            Requested(settings, host, link),
            Commanded(root, device, host, link),
            Certified(root, settings, link, lambda text: outbox.event("certificate_renewed", "info", text)),
            reporter,
            Heat(settings.thermal, Monitor(manifest.sensors, Places(root.folder)), host, outbox),
            Serving(http, root, host, outbox, of_http),
            Remembered(root.announced),
        )
    )


def _listening(http: Http, listen: str) -> Http:
    if listen:
        address.parse(listen, "--listen")
    return msgspec.structs.replace(http, listen=listen)


class Supervisor:
    """One running agent."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._config = parts.config
        self._watched = Watched(parts.root.config, parts.config, self._configuration_refused)
        self._updates_told = UpdatesTold(parts.root, parts.outbox.event)
        self._stopping = asyncio.Event()
        self._told_of = parts.host.deployment
        self._replaced = False
        self._failure: BaseException | None = None

    async def run(self) -> bool:
        """Run until SIGTERM or SIGINT, or until the agent's own code is replaced; whether that was it.

        Raises:
            sqlite3.Error: the disk refused; whoever restarts us finds everything that was committed.
        """
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._callback_failed)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._look)
        parts = self._parts
        parts.host.start()
        self._announce()
        parts.reporter.listens = await parts.serving.start()
        hooks = Hooks(self._connected, parts.outbox.acknowledged, self._received, self._dates_unchecked)
        jobs = (
            parts.link.run(hooks),
            parts.heat.run(),
            self._status(),
            self._telemetry(),
            self._watchdog(),
            self._ready(),
        )
        tasks = [asyncio.create_task(job) for job in jobs]
        for task in tasks:
            task.add_done_callback(self._job_ended)
        systemd.notify("READY=1")
        await self._stopping.wait()
        await self._stop(tasks)
        if self._failure is not None:
            raise self._failure
        return self._replaced

    def _announce(self) -> None:
        outbox = self._parts.outbox
        if replaced := outbox.spool.replaced:
            text = f"the spool was damaged; it is kept as {replaced.name}, and its messages are not sent"
            outbox.event("spool_replaced", "error", text)
        outbox.event("started", "info", f"edge-agent {VERSION}, process {os.getpid()}")

    def _connected(self) -> None:
        parts = self._parts
        parts.link.retain(reports.status(self._config.device, "online"))
        parts.link.retain(parts.reporter.info())
        self._tell_home_assistant()
        parts.certified.connected()
        parts.requested.forget()
        parts.outbox.connected()

    def _tell_home_assistant(self) -> None:
        wanted, told, device = self._config.homeassistant, self._parts.announced, self._config.device
        manifest = self._parts.host.deployment.manifest
        if wanted.enabled:
            told.replace({*told.words, *homeassistant.components(device, manifest)})
            self._parts.link.retain(homeassistant.discovery(device, manifest, wanted.prefix, told.words))
        elif told.words:
            self._parts.link.retain(homeassistant.retraction(device, wanted.prefix))
            told.replace(())

    def _dates_unchecked(self) -> None:
        text = "the clock is not synchronised: the broker's certificate was judged, but not its dates"
        self._parts.outbox.event("certificate_dates_unchecked", "warning", text)

    def _received(self, message: Received) -> None:
        if message.topic == topics.topic(self._config.device, "cmd"):
            self._parts.commanded.received(message)
        elif message.topic == topics.topic(self._config.device, "certificate"):
            self._parts.certified.received(message)
        else:
            self._parts.requested.received(message)

    async def _ready(self) -> None:
        """What runs the models changes whenever they were proved anew, and which models these are with a deployment."""
        parts = self._parts
        while True:
            await parts.host.on_ready.wait()
            parts.host.on_ready.clear()
            parts.link.retain(parts.reporter.info())
            if parts.host.deployment is not self._told_of:
                self._told_of = parts.host.deployment
                parts.requested.configure(self._config)
                self._tell_home_assistant()
            parts.requested.ready()

    async def _status(self) -> None:
        while True:
            self._parts.reporter.write_status()
            self._parts.host.check_memory()
            self._look()
            self._parts.health.write()
            self._updates_told.look()
            self._parts.certified.look()
            await asyncio.sleep(_STATUS_S)

    def _look(self) -> None:
        """See what was changed from outside."""
        self._reload()
        self._parts.handover.look()
        if launched.is_replaced(self._parts.root) and not self._replaced:
            self._replaced = True
            self._parts.outbox.event("code_replaced", "info", "another slot holds the agent's code: it starts anew")
            self._stopping.set()

    def _reload(self) -> None:
        change = self._watched.look()
        if change is None:
            return
        parts, self._config = self._parts, change.config
        if {"source", "worker", "runtime"} & set(change.now):
            parts.handover.reconfigure(change.config)
            parts.requested.configure(change.config)
        if "publish" in change.now:
            parts.outbox.publisher = Publisher(change.config.publish)
        parts.heat.policy = change.config.thermal
        told = [f"{', '.join(change.now)} took effect"] if change.now else []
        told += [f"{', '.join(change.later)} will at the next start"] if change.later else []
        parts.outbox.event("configuration_changed", "info", "; ".join(told))

    def _configuration_refused(self, text: str) -> None:
        self._parts.outbox.event("configuration_refused", "warning", text)

    async def _telemetry(self) -> None:
        await asyncio.sleep(min(_FIRST_TELEMETRY_S, self._config.telemetry.interval_s))
        while True:
            self._parts.outbox.telemetry(self._parts.reporter.telemetry)
            await asyncio.sleep(self._config.telemetry.interval_s)

    async def _watchdog(self) -> None:
        """An idle agent is healthy, and a hung worker dies by its own deadline: so it is enough to be here."""
        interval_s = systemd.watchdog_interval_s()
        while interval_s:
            systemd.notify("WATCHDOG=1")
            await asyncio.sleep(interval_s)

    async def _stop(self, tasks: list[asyncio.Task[None]]) -> None:
        if not self._replaced:  # else this process goes on; systemd would end one that said that
            systemd.notify("STOPPING=1")
        parts = self._parts
        parts.serving.stop()
        parts.handover.stop()
        parts.host.stop()
        try:
            if self._failure is None:
                parts.outbox.commit()
                await parts.link.stop(reports.status(self._parts.config.device, "stopped"), _DRAIN_S)
        finally:
            for task in tasks:
                task.remove_done_callback(self._job_ended)
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            parts.reporter.write_status(stopped=True)
            if self._failure is None:
                parts.outbox.spool.close()

    def _job_ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())

    def _callback_failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._fail(context.get("exception") or RuntimeError(context["message"]))

    def _fail(self, error: BaseException | None) -> None:
        """Anything unforeseen ends the process: a restart from the spool is the one recovery."""
        self._failure = self._failure or error
        self._stopping.set()
