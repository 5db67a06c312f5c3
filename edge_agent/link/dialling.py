"""How a connection to the broker begins: version, session, bounds, last will, TLS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge_agent.link.inbox import MAX_PACKET_BYTES, RECEIVE_MAXIMUM
from edge_agent.link.tls import must_judge_dates
from firmware_profiles import broker_access
from firmware_profiles.broker_url import Address

QOS = 1

_KEEP_ALIVE_S = 30
_CONNECT_TIMEOUT_S = 5.0
_SESSION_EXPIRY_S = 3600


class Retained(NamedTuple):
    """A message that the broker keeps for those who subscribe later; an empty one takes it back."""

    topic: str
    payload: bytes


class Dialler:
    """Makes paho clients and connects them.

    Attributes:
        address: of the broker.
        dates_judged: whether the last connection needed certificates that are valid today.
    """

    def __init__(self, address: Address, client_id: str, will: Retained, clock_trusted: Callable[[], bool]) -> None:
        self.address = address
        self.dates_judged = True
        self._client_id = client_id
        self._will = will
        self._clock_trusted = clock_trusted

    @property
    def dates_overdue(self) -> bool:
        """Whether the dates that were not judged could be now."""
        return not self.dates_judged and self._clock_trusted()

    def new_client(self, version: MQTTProtocolVersion, *, keep_session: bool) -> Client:
        """A client that is not connected and acknowledges nothing by itself."""
        client = Client(
            CallbackAPIVersion.VERSION2,
            self._client_id,
            # A session of MQTT 3.1.1 never expires, so none is left behind where there is nothing to keep.
            clean_session=not keep_session if version == MQTTProtocolVersion.MQTTv311 else None,
            protocol=version,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = _CONNECT_TIMEOUT_S
        client.max_inflight_messages = 0  # the window bounds them; paho would change the order
        client.username_pw_set(self.address.user, self.address.password)
        client.will_set(self._will.topic, self._will.payload, QOS, retain=True)
        return client

    def connect(self, client: Client, *, keep_session: bool) -> None:
        """Resolve, connect and send CONNECT; this blocks.

        Raises:
            OSError: the broker is not reached, or its certificate is refused.
            InputError: one of our own certificate files is not what it was.
        """
        self.dates_judged = must_judge_dates(self.address, clock_trusted=self._clock_trusted())
        if context := broker_access.context(self.address, judge_dates=self.dates_judged):
            client.tls_set_context(context)
        options: dict[str, Any] = {}
        if client.protocol == MQTTProtocolVersion.MQTTv5:
            bounds = properties(PacketTypes.CONNECT)
            bounds.SessionExpiryInterval = _SESSION_EXPIRY_S
            bounds.ReceiveMaximum = RECEIVE_MAXIMUM
            bounds.MaximumPacketSize = MAX_PACKET_BYTES
            options = {"clean_start": not keep_session, "properties": bounds}
        client.connect(self._host(), self.address.port, _KEEP_ALIVE_S, **options)

    def _host(self) -> str:
        """A name as bytes is resolved as it is; from a str, Python would go through its tables of IDNA: 0.4 MB."""
        plain = self.address.tls is None and self.address.host.isascii()
        return cast(str, self.address.host.encode()) if plain else self.address.host


def properties(packet: int) -> Properties:
    """Properties of MQTT 5 for a kind of packet."""
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho leaves it untyped


def why_not(error: Exception) -> str:
    """Why there is no connection; of a certificate what is wrong with it."""
    refused = getattr(error, "verify_message", "")
    return f"its certificate is refused: {refused}" if refused else str(error)
