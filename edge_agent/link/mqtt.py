"""One MQTT connection, kept up for ever; paho-mqtt is the transport, asyncio does the waiting.

Each connection gets a fresh paho client: what was in flight on the old one is offered again by the
outbox, so paho's own queue never has to survive anything.

A broker that gives no answer to MQTT 5, or says that it does not speak it, is asked at once in MQTT
3.1.1; the version that it accepts is the first one from then on. At once, because a proxy whose
broker is away answers in no version, and must not be taken for an old broker. In MQTT 3.1.1 a broker
cannot say that it refuses a message: it may acknowledge one and drop it.

A link that subscribes keeps its session: what comes while it is away waits at the broker, and what
was delivered but not accepted comes again, to this process or the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes

from edge_agent import clock
from edge_agent.link.connection import Answer, Connection, Hooks
from edge_agent.link.dialling import Dialler, Retained, properties, why_not
from edge_agent.link.inbox import Inbox, Received
from edge_agent.link.remembered import Remembered
from edge_agent.link.subscriptions import Subscriptions
from edge_agent.link.window import Window
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import InputError

__all__ = ["Hooks", "Link", "Received", "Retained"]

_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_OTHER = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}
_NAME = {MQTTProtocolVersion.MQTTv5: "MQTT 5", MQTTProtocolVersion.MQTTv311: "MQTT 3.1.1"}

_log = logging.getLogger(__name__)


class Link:
    """What the agent says to a broker and hears from it, over one connection after the other."""

    def __init__(
        self,
        address: Address,
        client_id: str,
        will: Retained,
        session: Path | None = None,
        clock_trusted: Callable[[], bool] = clock.is_synchronised,
    ) -> None:
        """Prepare; `session` is the file of what the broker's session is subscribed to."""
        self._dialler = Dialler(address, client_id, will, clock_trusted)
        self._inbox = Inbox()
        self._subscriptions = Subscriptions(Remembered(session))
        self._hooks: Hooks
        self._connection: Connection | None = None
        self._version = MQTTProtocolVersion.MQTTv5
        self._told = ""
        self._outdated = False

    @property
    def connected(self) -> bool:
        """Whether the broker accepted us."""
        return self._connection is not None and self._connection.up

    @property
    def room(self) -> int:
        """How many more messages may be offered now."""
        return self._window.room if self._window and self.connected else 0

    @property
    def _window(self) -> Window | None:
        return self._connection.window if self._connection else None

    def offer(self, message_id: int, topic: str, payload: bytes) -> None:
        """Publish with QoS 1; `acknowledged` is called with the id on PUBACK."""
        assert self._window is not None, "only what `room` allows may be offered"
        self._window.publish(topic, payload, message_id)

    def retain(self, message: Retained) -> None:
        """Publish a retained message if connected; on connection it is to be done again anyway."""
        if self._window:
            self._window.say(message.topic, message.payload, retain=True)

    def publish(self, topic: str, payload: bytes, correlation: bytes = b"") -> None:
        """Publish an answer if connected; if not, its request was not accepted and comes again."""
        if self._window:
            self._window.say(topic, payload, **self._correlated(correlation))

    def _correlated(self, correlation: bytes) -> dict[str, Any]:
        if not correlation or self._version == MQTTProtocolVersion.MQTTv311:
            return {}
        told = properties(PacketTypes.PUBLISH)
        told.CorrelationData = correlation
        return {"properties": told}

    def subscribe(self, filters: Iterable[str]) -> None:
        """Receive what matches one of the topic filters, and nothing else from now on.

        Best before `run`: a session of MQTT 3.1.1 that began without a filter is not kept.
        """
        self._subscriptions.wanted = frozenset(filters)
        if self._connection and self.connected:
            self._subscriptions.change(self._connection.client)

    def accept(self, token: int) -> None:
        """The message was dealt with, after what was published before; every one received is to be accepted."""
        self._inbox.accept(token)

    def reconnect(self) -> None:
        """End the connection soon and in order: the next one shows the certificate that is there now."""
        self._outdated = True

    async def run(self, hooks: Hooks) -> None:
        """Connect, and connect again with growing, jittered delays, until cancelled."""
        self._hooks = hooks
        attempt = 0
        while True:
            answer = await self._connect(self._version)
            if not answer.understood:
                answer = await self._connect(_OTHER[self._version])
            if answer.accepted:
                attempt = 0
            else:
                self._tell(f"{answer.reason}; spooling, and trying again")
            delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**attempt)
            attempt += 1
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret

    async def stop(self, last: Retained, timeout_s: float) -> None:
        """Say `last`, wait until what is in flight is acknowledged or `timeout_s` passed, disconnect."""
        if self._connection is None or not self.connected:
            return
        self.retain(last)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._connection.drained(), timeout_s)
        self._connection.close()

    async def _connect(self, version: MQTTProtocolVersion) -> Answer:
        """One connection from beginning to end; how the broker answered at its beginning."""
        self._outdated = False
        keep_session = bool(self._subscriptions.wanted)
        client = self._dialler.new_client(version, keep_session=keep_session)
        hooks = self._hooks._replace(up=lambda: self._up(version))
        self._connection = Connection(client, self._inbox, self._subscriptions, hooks, self._refused)
        try:
            # Resolving and connecting block, so a thread does them; its callbacks come by call_soon_threadsafe.
            await asyncio.to_thread(self._dialler.connect, client, keep_session=keep_session)
        except (OSError, InputError) as error:
            return Answer(False, True, why_not(error))
        await self._connection.live(lambda: self._dialler.dates_overdue or self._outdated)
        return self._connection.answer

    def _up(self, version: MQTTProtocolVersion) -> None:
        self._told = ""
        _log.info("connected to %s", self._broker)
        if version != self._version:
            self._version = version
            _log.warning("%s: speaks %s, which is tried first from now on", self._broker, _NAME[version])
        self._hooks.up()
        if not self._dialler.dates_judged:
            self._hooks.dates_unchecked()

    def _refused(self, reason: str) -> None:
        self._tell(f"refuses a message: {reason}")

    @property
    def _broker(self) -> str:
        return f"broker {self._dialler.address.host}:{self._dialler.address.port}"

    def _tell(self, text: str) -> None:
        """Once, not at every attempt."""
        if text != self._told:
            _log.warning("%s: %s", self._broker, text)
            self._told = text
