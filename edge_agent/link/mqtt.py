"""One MQTT connection, kept up for ever; paho-mqtt is the transport, asyncio does the waiting.

Each connection gets a fresh paho client: what was in flight on the old one is offered again by the
outbox, so paho's own queue never has to survive anything.

A broker that gives no answer to MQTT 5, or says that it does not speak it, is asked at once in MQTT
3.1.1; the version that it accepts is the first one from then on. At once, because a proxy whose
broker is away answers in no version, and must not be taken for an old broker. In MQTT 3.1.1 a broker
cannot say that it refuses a message: it may acknowledge one and drop it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.link.sockets import serve
from firmware_profiles.broker_url import Address

IN_FLIGHT = 20
"""paho is fastest with few in flight: 12,000 messages a second with 20, 5,000 with 1,000."""

_QOS = 1
_KEEP_ALIVE_S = 30
_CONNECT_TIMEOUT_S = 5.0
_ANSWER_TIMEOUT_S = 5.0
_SESSION_EXPIRY_S = 3600
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


class Retained(NamedTuple):
    """A message that the broker keeps for those who subscribe later."""

    topic: str
    payload: bytes


class Hooks(NamedTuple):
    """Called in the event loop.

    Attributes:
        up: the broker accepted us.
        acknowledged: the broker has the message of that id.
    """

    up: Callable[[], None]
    acknowledged: Callable[[int], None]


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

    def __init__(self, address: Address, client_id: str, will: Retained) -> None:
        self.connected = False
        self._address = address
        self._client_id = client_id
        self._will = will
        self._hooks: Hooks
        self._loop: asyncio.AbstractEventLoop
        self._client: Client | None = None
        self._version = MQTTProtocolVersion.MQTTv5
        self._answer = _NONE
        self._in_flight: dict[int, int] = {}
        self._window = IN_FLIGHT
        self._answered = asyncio.Event()
        self._closed = asyncio.Event()
        self._told = ""

    @property
    def _broker(self) -> str:
        return f"broker {self._address.host}:{self._address.port}"

    @property
    def room(self) -> int:
        """How many more messages may be offered now."""
        return self._window - len(self._in_flight) if self.connected else 0

    def offer(self, message_id: int, topic: str, payload: bytes) -> None:
        """Publish with QoS 1; `acknowledged` is called with the id on PUBACK."""
        assert self._client is not None, "only what `room` allows may be offered"
        info = self._client.publish(topic, payload, _QOS)
        self._in_flight[info.mid] = message_id

    def retain(self, message: Retained) -> None:
        """Publish a retained message if connected; on connection it is to be done again anyway."""
        if self._client is not None and self.connected:
            self._client.publish(message.topic, message.payload, _QOS, retain=True)

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
        self._client.publish(last.topic, last.payload, _QOS, retain=True)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._drained(), timeout_s)
        self._client.disconnect()
        self._client.loop_write()

    async def _drained(self) -> None:
        while self._client is not None and (self._in_flight or self._client.want_write()):
            await asyncio.sleep(0.01)

    async def _connection(self, version: MQTTProtocolVersion) -> _Answer:
        """One connection from beginning to end; how the broker answered at its beginning."""
        self._answered.clear()
        self._closed.clear()
        self._answer = _NONE
        client = self._client = self._new_client(version)
        try:
            # Resolving and connecting block, so a thread does them; its callbacks come by call_soon_threadsafe.
            await asyncio.to_thread(self._connect, client)
        except OSError as error:
            return _Answer(False, True, str(error))
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

    def _connect(self, client: Client) -> None:
        options: dict[str, Any] = {}
        if client.protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho leaves it untyped
            properties.SessionExpiryInterval = _SESSION_EXPIRY_S
            options = {"clean_start": False, "properties": properties}
        client.connect(self._address.host, self._address.port, _KEEP_ALIVE_S, **options)

    async def _tick(self, client: Client) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            client.loop_misc()

    def _new_client(self, version: MQTTProtocolVersion) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            # A session of MQTT 3.1.1 never expires, and we subscribe to nothing: so none is left behind.
            clean_session=True if version == MQTTProtocolVersion.MQTTv311 else None,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.username_pw_set(self._address.user, self._address.password)
        client.will_set(self._will.topic, self._will.payload, _QOS, retain=True)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        serve(client, self._loop)
        return client

    def _on_connect(
        self, client: Client, _: Any, _flags: ConnectFlags, reason: ReasonCode, answer: Properties | None
    ) -> None:
        if reason.is_failure:
            self._answer = _Answer(False, reason.value != _UNSUPPORTED_VERSION, f"refuses us: {reason}")
            return
        self._answer = _ACCEPTED
        self._told = ""
        _log.info("connected to %s:%s", self._address.host, self._address.port)
        if client.protocol != self._version:
            self._version = client.protocol
            _log.warning("%s: speaks %s, which is tried first from now on", self._broker, _NAME[self._version])
        self._window = min(IN_FLIGHT, getattr(answer, "ReceiveMaximum", IN_FLIGHT))
        self._answered.set()
        self._loop.call_soon(self._up, client)  # not inside paho's callback, which holds its locks

    def _up(self, client: Client) -> None:
        # Not earlier: whoever sees room would go on where the last connection ended, before what was in flight on it.
        self.connected = client is self._client and not self._closed.is_set()
        if self.connected:
            self._hooks.up()

    def _on_disconnect(
        self, _client: Client, _: Any, _flags: DisconnectFlags, reason: ReasonCode, _answer: Properties | None
    ) -> None:
        if self.connected:
            _log.info("disconnected: %s", reason)
            self.connected = False
            self._in_flight.clear()
        self._answered.set()
        self._closed.set()

    def _on_publish(self, _client: Client, _: Any, mid: int, reason: ReasonCode, _answer: Properties) -> None:
        message_id = self._in_flight.pop(mid, None)
        if message_id is None:
            return
        if reason.is_failure:  # it stays in the spool and is offered again after the next connection
            self._tell(f"{self._broker} refuses a message: {reason}")
            return
        self._hooks.acknowledged(message_id)

    def _tell(self, text: str) -> None:
        """Once, not at every attempt."""
        if text != self._told:
            _log.warning(text)
            self._told = text
