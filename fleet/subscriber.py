"""One MQTT subscription that survives broker restarts: paho is the transport, the patience is ours.

A broker that gives no answer to MQTT 5, or says that it does not speak it, is asked at once in MQTT
3.1.1; the version that it accepts is the first one from then on. At once, because a proxy whose
broker is away answers in no version, and must not be taken for an old broker.
"""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from firmware_profiles import broker_access
from firmware_profiles.broker_url import Address
from firmware_profiles.errors import Problem, UnavailableError
from fleet.observed import Connection

_KEEPALIVE_S = 20
_ANSWER_TIMEOUT_S = 5.0
_LEAVE_TIMEOUT_S = 2.0
_SESSION_EXPIRY_S = 3600
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 5.0
_OTHER = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}
_NAME = {MQTTProtocolVersion.MQTTv5: "MQTT 5", MQTTProtocolVersion.MQTTv311: "MQTT 3.1.1"}
_UNSUPPORTED_VERSION = "Unsupported protocol version"
# A broker that starts, stops or is full says so for a while; any other refusal is for good.
_PASSING_REFUSALS = {"Server unavailable", "Server busy", "Connection rate exceeded"}


class Subscriber:
    """Works only inside `step`, in the caller's thread. The session outlives a lost connection, so the
    broker keeps what comes meanwhile. `close` ends it; where that cannot be (the broker is away, or this
    process is killed) it expires after an hour in MQTT 5, and when the broker sees fit in MQTT 3.1.1.

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
        self._on_message = on_message
        # 23 characters are what every broker of MQTT 3.1.1 must take.
        self._client_id = f"godwit-watch-{secrets.token_hex(5)}"
        self._version = MQTTProtocolVersion.MQTTv5
        self._client = self._new_client(self._version)
        self._remark = ""
        self._open = False
        self._answered = False
        self._answer_until = 0.0
        self._refused = ""
        self._untrusted = ""
        self._lost_because = ""
        self._delay_s = _FIRST_DELAY_S

    def step(self, longest_s: float) -> None:
        """Connect, or handle what has come, for at most about `longest_s` seconds.

        Raises:
            UnavailableError: the broker refuses us, or we its certificate.
        """
        lost_because = self._advance(longest_s) if self._open else self._connect()
        where = f"broker {self._address.host}:{self._address.port}"
        if self._untrusted:
            step = "check the CA, and this machine's clock"
            raise UnavailableError(Problem(where, "a broker that we trust", self._untrusted, step))
        if self._refused:
            step = "check the user, the password and the broker's access list"
            raise UnavailableError(Problem(where, "a broker that admits us", self._refused, step))
        if lost_because and not self._change_version():
            self._on_change(Connection("lost" if self.ever_subscribed else "unreachable", lost_because))
            time.sleep(min(longest_s, self._delay_s * random.uniform(0.5, 1)))  # noqa: S311  # jitter is no secret
            self._delay_s = min(2 * self._delay_s, _LONGEST_DELAY_S)

    def retain(self, topic: str, payload: bytes) -> MQTTMessageInfo:
        """Publish with QoS 1 what the broker is to keep; it is lost with the connection."""
        return self._client.publish(topic, payload, 1, retain=True)

    def close(self) -> None:
        """Leave, and let the broker forget the session: the next one has another name."""
        if self._version == MQTTProtocolVersion.MQTTv311:
            self._client.disconnect()
            self._forget_session()
        elif self._client.is_connected():
            self._client.disconnect(properties=_properties(PacketTypes.DISCONNECT, session_expiry_s=0))

    def _forget_session(self) -> None:
        """MQTT 3.1.1 ends a session only by a clean one in its place."""
        clean = self._bare_client(MQTTProtocolVersion.MQTTv311, clean_session=True)
        clean.connect_timeout = _LEAVE_TIMEOUT_S
        until = time.monotonic() + _LEAVE_TIMEOUT_S
        with contextlib.suppress(OSError):
            clean.connect(self._address.host, self._address.port)
            while not clean.is_connected() and time.monotonic() < until:
                if clean.loop(_LEAVE_TIMEOUT_S) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    return
            clean.disconnect()

    def _new_client(self, version: MQTTProtocolVersion) -> Client:
        client = self._bare_client(version, clean_session=False)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = lambda _client, _data, raw: _deliver(raw, self._on_message)
        return client

    def _bare_client(self, version: MQTTProtocolVersion, *, clean_session: bool) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            clean_session=clean_session if version == MQTTProtocolVersion.MQTTv311 else None,
            protocol=version,
            reconnect_on_failure=False,
        )
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if context := broker_access.context(self._address):
            client.tls_set_context(context)
        return client

    def _connect(self) -> str:
        """Open the connection; why not, if not."""
        self._lost_because = ""
        self._answered = False
        self._answer_until = time.monotonic() + _ANSWER_TIMEOUT_S
        options: dict[str, Any] = {}
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            options = {"clean_start": False, "properties": _properties(PacketTypes.CONNECT, _SESSION_EXPIRY_S)}
        try:
            self._client.connect(self._address.host, self._address.port, _KEEPALIVE_S, **options)
        except OSError as error:
            if refused := getattr(error, "verify_message", ""):
                self._untrusted = f"a certificate that is refused ({refused})"
            return (error.strerror or str(error)).lower()
        self._open = True
        return ""

    def _advance(self, longest_s: float) -> str:
        if self._client.loop(longest_s) != MQTTErrorCode.MQTT_ERR_SUCCESS:
            return self._lost_because or "the connection was closed"
        if not self._answered and time.monotonic() > self._answer_until:
            return "no answer"
        return ""

    def _change_version(self) -> bool:
        """After a lost connection: whether the other version is to be tried at once."""
        self._client.disconnect()
        asked_and_unanswered = self._open and not self._answered
        change = asked_and_unanswered and self._client.protocol == self._version
        self._open = False
        self._client = self._new_client(_OTHER[self._version] if change else self._version)
        return change

    def _on_connect(
        self, client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._answered = reason.getName() != _UNSUPPORTED_VERSION
        if reason.is_failure:
            if self._answered and reason.getName() not in _PASSING_REFUSALS:
                self._refused = str(reason).lower()
            client.disconnect()
            return
        self._delay_s = _FIRST_DELAY_S
        if client.protocol != self._version:
            self._version = client.protocol
            self._remark = f"by {_NAME[self._version]}, since the broker does not answer {_NAME[_OTHER[self._version]]}"
        if flags.session_present and self.ever_subscribed:
            self._subscribed()
        else:
            client.subscribe(self._topics, qos=1)

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
        self._on_change(Connection("subscribed", self._remark))
        self._remark = ""

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
