"""What a session is subscribed to, at the broker's end and at ours.

The broker keeps a session for longer than our process lives, and would go on delivering, or take us
for a member of a pool, by filters that the configuration no longer has. So they are kept in a file,
and those that are not wanted any more are taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_agent.link.remembered import Remembered

_QOS = 1

_log = logging.getLogger(__name__)


class Subscriptions:
    """The filters wanted and those that the broker has.

    Attributes:
        wanted: topic filters.
    """

    def __init__(self, kept: Remembered) -> None:
        self.wanted: frozenset[str] = frozenset()
        self._kept = kept
        self._asked: dict[int | None, list[str]] = {}

    def connected(self, client: Client, session_present: bool) -> None:
        """Make the broker's filters those that are wanted."""
        self._asked.clear()
        if not session_present:
            self._kept.replace(())
        self.change(client)

    def change(self, client: Client) -> None:
        """As `connected`, in a connection that exists."""
        known = self._kept.words
        self._kept.replace(known | self.wanted)
        if unwanted := sorted(known - self.wanted):
            _, mid = client.unsubscribe(unwanted)
            self._asked[mid] = unwanted
        if filters := sorted(self.wanted):
            _, mid = client.subscribe([(text, _options(client)) for text in filters])
            self._asked[mid] = filters

    def answered(self, mid: int, reasons: Iterable[ReasonCode]) -> None:
        """The broker did as it was asked, or says why not."""
        # MQTT 3.1.1 gives no reasons for what is taken back.
        for text, reason in zip(self._asked.pop(mid, ()), reasons, strict=False):
            if reason.is_failure:
                _log.warning("the broker refuses %s: %s", text, reason)
        if not self._asked:
            self._kept.replace(self.wanted)


def _options(client: Client) -> Any:
    if client.protocol == MQTTProtocolVersion.MQTTv311:
        return _QOS
    # What is retained is old news to a session that had the subscription already.
    return SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
