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
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent import clock
from edge_agent.link.dialling import Dialler, Retained, properties, why_not
from edge_agent.link.inbox import Inbox, Received
from edge_agent.link.remembered import Remembered
from edge_agent.link.sockets import serve
from edge_agent.link.subscriptions import Subscriptions
from edge_agent.link.window import IN_FLIGHT, Window
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import InputError

__all__ = ["Hooks", "Link", "Received", "Retained"]

_ANSWER_TIMEOUT_S = 5.0
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 30.0
_TICK_S = 1.0
_OTHER = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}
_NAME = {MQTTProtocolVersion.MQTTv5: "MQTT 5", MQTTProtocolVersion.MQTTv311: "MQTT 3.1.1"}
_UNSUPPORTED_VERSION = 0x84

_log = logging.getLogger(__name__)


class Hooks(NamedTuple):
    """Called in the event loop.

    Attributes:
        up: the broker accepted us. What it is to retain must be said again: it may have lost everything.
        acknowledged: the broker has the message of that id.
        received: a message came, and is delivered again later unless it is accepted.
        dates_unchecked: the broker accepted us and we it, without judging the dates of its certificate.
    """

    up: Callable[[], None]
    acknowledged: Callable[[int], None]
    received: Callable[[Received], None] = lambda _: None
    dates_unchecked: Callable[[], None] = lambda: None


class _Answer(NamedTuple):
    """How a broker answered CONNECT.

    Attributes:
        understood: False if another version of MQTT may be the remedy.
        reason: why it did not accept us.
    """

    accepted: bool
    understood: bool
    reason: str


_ACCEPTED = _Answer(True, True, "")
_NONE = _Answer(False, False, "no answer to CONNECT")


class Link:
    """A connection to a broker.

    Attributes:
        connected: whether the broker accepted us.
    """

    def __init__(
        self,
        address: Address,
        client_id: str,
        will: Retained,
        session: Path | None = None,
        clock_trusted: Callable[[], bool] = clock.is_synchronised,
    ) -> None:
        """Prepare; `session` is the file of what the broker's session is subscribed to."""
        self.connected = False
        self._dialler = Dialler(address, client_id, will, clock_trusted)
        self._hooks: Hooks
        self._loop: asyncio.AbstractEventLoop
        self._client: Client | None = None
        self._window: Window | None = None
        self._inbox = Inbox()
        self._subscriptions = Subscriptions(Remembered(session))
        self._version = MQTTProtocolVersion.MQTTv5
        self._answer = _NONE
        self._answered = asyncio.Event()
        self._closed = asyncio.Event()
        self._told = ""

    @property
    def _broker(self) -> str:
        return f"broker {self._dialler.address.host}:{self._dialler.address.port}"

    @property
    def room(self) -> int:
        """How many more messages may be offered now."""
        return self._window.room if self._window and self.connected else 0

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
        if self._client is not None and self.connected:
            self._subscriptions.change(self._client)

    def accept(self, token: int) -> None:
        """The message was dealt with, after what was published before; every one received is to be accepted."""
        self._inbox.accept(token)

    async def run(self, hooks: Hooks) -> None:
        """Connect, and connect again with growing, jittered delays, until cancelled."""
        self._hooks = hooks
        self._loop = asyncio.get_running_loop()
        attempt = 0
        while True:
            answer = await self._connection(self._version)
            if not answer.understood:
                answer = await self._connection(_OTHER[self._version])
            if answer.accepted:
                attempt = 0
            else:
                self._tell(f"{self._broker}: {answer.reason}; spooling, and trying again")
            delay_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2**attempt)
            attempt += 1
            await asyncio.sleep(delay_s * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret

    async def stop(self, last: Retained, timeout_s: float) -> None:
        """Say `last`, wait until what is in flight is acknowledged or `timeout_s` passed, disconnect."""
        if self._client is None or not self.connected:
            return
        self.retain(last)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drained(), timeout_s)
        self._client.disconnect()
        self._client.loop_write()

    async def _drained(self) -> None:
        while self._client and self._window and (self._window.busy or self._client.want_write()):
            await asyncio.sleep(0.01)

    async def _connection(self, version: MQTTProtocolVersion) -> _Answer:
        """One connection from beginning to end; how the broker answered at its beginning."""
        self._answered.clear()
        self._closed.clear()
        self._answer = _NONE
        client = self._client = self._new_client(version)
        try:
            # Resolving and connecting block, so a thread does them; its callbacks come by call_soon_threadsafe.
            keep_session = bool(self._subscriptions.wanted)
            await asyncio.to_thread(self._dialler.connect, client, keep_session=keep_session)
        except (OSError, InputError) as error:
            return _Answer(False, True, why_not(error))
        ticker = asyncio.create_task(self._tick(client))
        try:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._answered.wait(), _ANSWER_TIMEOUT_S)
                await self._closed.wait()
        finally:
            ticker.cancel()
            if client.socket():
                client.disconnect()
                client.loop_write()
        return self._answer

    async def _tick(self, client: Client) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            client.loop_misc()
            if self.connected and self._dialler.dates_overdue:
                _log.info("the clock is right now: connecting again, to judge the dates of the broker's certificate")
                client.disconnect()

    def _new_client(self, version: MQTTProtocolVersion) -> Client:
        client = self._dialler.new_client(version, keep_session=bool(self._subscriptions.wanted))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = client.on_unsubscribe = self._on_subscribe
        serve(client, self._loop)
        return client

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, answer: Properties | None
    ) -> None:
        if reason.is_failure:
            self._answer = _Answer(False, reason.value != _UNSUPPORTED_VERSION, f"refuses us: {reason}")
            return
        self._answer = _ACCEPTED
        self._told = ""
        _log.info("connected to %s", self._broker)
        if client.protocol != self._version:
            self._version = client.protocol
            _log.warning("%s: speaks %s, which is tried first from now on", self._broker, _NAME[self._version])
        self._window = Window(client, getattr(answer, "ReceiveMaximum", IN_FLIGHT))
        self._answered.set()
        # Hooks are not called inside paho's callback, which holds its locks.
        self._loop.call_soon(self._up, client)
        if not self._dialler.dates_judged:
            self._loop.call_soon(self._hooks.dates_unchecked)
        self._subscriptions.connected(client, flags.session_present)

    def _up(self, client: Client) -> None:
        # Not earlier: whoever sees room would go on where the last connection ended, before what was in flight on it.
        self.connected = client is self._client and self._window is not None
        if self.connected:
            self._hooks.up()

    def _on_disconnect(
        self, _client: Client, _: Any, _flags: DisconnectFlags, reason: ReasonCode, _answer: Properties | None
    ) -> None:
        if self._window:
            _log.info("disconnected: %s", reason)
            self.connected = False
            self._window = None
            self._inbox.forget()
        self._answered.set()
        self._closed.set()

    def _on_publish(self, _client: Client, _: Any, mid: int, reason: ReasonCode, _answer: Properties) -> None:
        message_id = self._window.acknowledged(mid) if self._window else None
        if reason.is_failure:  # one of the spool stays there and is offered again after the next connection
            self._tell(f"{self._broker} refuses a message: {reason}")
        elif message_id is not None:
            self._hooks.acknowledged(message_id)

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        if self._window and (received := self._inbox.take(self._window, message)):
            self._loop.call_soon(self._hooks.received, received)

    def _on_subscribe(
        self, _client: Client, _: Any, mid: int, reasons: list[ReasonCode], _answer: Properties | None
    ) -> None:
        self._subscriptions.answered(mid, reasons)

    def _tell(self, text: str) -> None:
        """Once, not at every attempt."""
        if text != self._told:
            _log.warning(text)
            self._told = text
