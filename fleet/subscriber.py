"""One MQTT 5 subscription that survives broker restarts: paho is the transport, the patience is ours."""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from firmware_profiles.broker_url import Address
from firmware_profiles.errors import Problem, UnavailableError
from fleet.observed import Connection

_KEEPALIVE_S = 20
_SESSION_EXPIRY_S = 3600
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 5.0
# A broker that starts, stops or is full says so for a while; any other refusal is for good.
_PASSING_REFUSALS = {"Server unavailable", "Server busy", "Connection rate exceeded"}


class Subscriber:
    """Works only inside `step`, in the caller's thread. The session outlives a lost connection, so the
    broker keeps what comes meanwhile.

    Attributes:
        ever_subscribed: whether a broker was reached at all.
    """

    def __init__(
        self,
        address: Address,
        topics: str,
        on_message: Callable[[str, bytes], None],
        on_change: Callable[[Connection], None],
    ) -> None:
        """Prepare to give the topic and payload of what matches the filter `topics` to `on_message`."""
        self.ever_subscribed = False
        self._address = address
        self._topics = topics
        self._on_change = on_change
        self._open = False
        self._refused = ""
        self._lost_because = ""
        self._delay_s = _FIRST_DELAY_S
        self._client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"godwit-watch-{secrets.token_hex(8)}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        if address.user is not None:
            self._client.username_pw_set(address.user, address.password)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = lambda _client, _data, raw: _deliver(raw, on_message)

    def step(self, longest_s: float) -> None:
        """Connect, or handle what has come, for at most about `longest_s` seconds.

        Raises:
            UnavailableError: the broker refuses us.
        """
        lost_because = self._advance(longest_s) if self._open else self._connect()
        if self._refused:
            step = "check the user, the password and the broker's access list"
            if "protocol" in self._refused:
                step = "use a broker that speaks MQTT 5"
            where = f"broker {self._address.host}:{self._address.port}"
            raise UnavailableError(Problem(where, "a broker that admits us", self._refused, step))
        if lost_because:
            self._open = False
            self._on_change(Connection("lost" if self.ever_subscribed else "unreachable", lost_because))
            time.sleep(min(longest_s, self._delay_s * random.uniform(0.5, 1)))  # noqa: S311  # jitter is no secret
            self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)

    def close(self) -> None:
        """Leave, and let the broker forget the session: the next one has another name."""
        forget = _properties(PacketTypes.DISCONNECT, session_expiry_s=0)
        if self._client.is_connected():
            self._client.disconnect(properties=forget)

    def _connect(self) -> str:
        """Open the connection; why not, if not."""
        self._lost_because = ""
        try:
            self._client.connect(
                self._address.host,
                self._address.port,
                _KEEPALIVE_S,
                clean_start=False,
                properties=_properties(PacketTypes.CONNECT, _SESSION_EXPIRY_S),
            )
        except OSError as error:
            return (error.strerror or str(error)).lower()
        self._open = True
        return ""

    def _advance(self, longest_s: float) -> str:
        if self._client.loop(longest_s) == MQTTErrorCode.MQTT_ERR_SUCCESS:
            return ""
        return self._lost_because or "the connection was closed"

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            if reason.getName() not in _PASSING_REFUSALS:
                self._refused = str(reason).lower()
            client.disconnect()
            return
        self._delay_s = _FIRST_DELAY_S
        if flags.session_present:
            self._subscribed()
        else:
            client.subscribe(self._topics, options=SubscribeOptions(qos=1))

    def _on_subscribe(
        self, client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if any(reason.is_failure for reason in reasons):
            self._refused = f"the subscription refused ({str(reasons[0]).lower()})"
            client.disconnect()
        else:
            self._subscribed()

    def _subscribed(self) -> None:
        self.ever_subscribed = True
        self._on_change(Connection("subscribed"))

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._lost_because = str(reason).lower()


def _deliver(raw: MQTTMessage, on_message: Callable[[str, bytes], None]) -> None:
    try:
        topic = raw.topic
    except UnicodeDecodeError:
        topic = ""
    on_message(topic, bytes(raw.payload))


def _properties(packet: int, session_expiry_s: int) -> Properties:
    properties = Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped
    properties.SessionExpiryInterval = session_expiry_s
    return properties
