"""One connection to the broker from CONNECT to its end: paho's callbacks become calls of the hooks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_agent.link.inbox import Inbox, Received
from edge_agent.link.sockets import serve
from edge_agent.link.subscriptions import Subscriptions
from edge_agent.link.window import IN_FLIGHT, Window

_ANSWER_TIMEOUT_S = 5.0
_TICK_S = 1.0
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


class Answer(NamedTuple):
    """How a broker answered CONNECT.

    Attributes:
        understood: False if another version of MQTT may be the remedy.
        reason: why it did not accept us.
    """

    accepted: bool
    understood: bool
    reason: str


class Connection:
    """One paho client.

    Attributes:
        answer: the broker's, as far as it came.
        window: what is on its way; None before the broker accepted us, and after the end.
        up: whether the hook `up` was called, and the end has not come.
    """

    def __init__(
        self, client: Client, inbox: Inbox, subscriptions: Subscriptions, hooks: Hooks, refused: Callable[[str], None]
    ) -> None:
        """Take over the client's callbacks; `refused` is told why the broker does not take a message."""
        self.client = client
        self.answer = Answer(False, False, "no answer to CONNECT")
        self.window: Window | None = None
        self.up = False
        self._inbox = inbox
        self._subscriptions = subscriptions
        self._hooks = hooks
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._accepted = False
        self._closed = asyncio.Event()
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_subscribe = client.on_unsubscribe = self._on_subscribe
        serve(client, self._loop)

    async def live(self, outlived: Callable[[], bool]) -> None:
        """Wait for the broker's answer and then for the end, which also comes when it has `outlived` its terms."""
        # No wait_for: before Python 3.12 it may swallow a cancellation, and we would live for ever.
        patience = self._loop.call_later(_ANSWER_TIMEOUT_S, self._lose_patience)
        ticker = asyncio.create_task(self._tick(outlived))
        try:
            await self._closed.wait()
        finally:
            patience.cancel()
            ticker.cancel()
            if self.client.socket():
                self.close()

    def _lose_patience(self) -> None:
        if not self._accepted:
            self._closed.set()

    async def drained(self) -> None:
        """Wait until the broker acknowledged everything, or the end."""
        while self.window and (self.window.busy or self.client.want_write()):
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Say good-bye: no last will."""
        self.client.disconnect()
        self.client.loop_write()

    async def _tick(self, outlived: Callable[[], bool]) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.client.loop_misc()
            if self.window and outlived():
                self.close()

    def _on_connect(
        self, client: Client, _: Any, flags: ConnectFlags, reason: ReasonCode, told: Properties | None
    ) -> None:
        if reason.is_failure:
            self.answer = Answer(False, reason.value != _UNSUPPORTED_VERSION, f"refuses us: {reason}")
            return
        self._accepted = True
        self.answer = Answer(True, True, "")
        self.window = Window(client, getattr(told, "ReceiveMaximum", IN_FLIGHT))
        self._loop.call_soon(self._announce)  # hooks are not called inside paho's callback, which holds its locks
        self._subscriptions.connected(client, flags.session_present)

    def _announce(self) -> None:
        # Not earlier: whoever sees room would go on where the last connection ended, before what was in flight on it.
        self.up = self.window is not None
        if self.up:
            self._hooks.up()

    def _on_disconnect(
        self, _client: Client, _: Any, _flags: DisconnectFlags, reason: ReasonCode, _told: Properties | None
    ) -> None:
        if self.window:
            _log.info("disconnected: %s", reason)
            self.window, self.up = None, False
            self._inbox.forget()
        self._closed.set()

    def _on_publish(self, _client: Client, _: Any, mid: int, reason: ReasonCode, _told: Properties) -> None:
        message_id = self.window.acknowledged(mid) if self.window else None
        if reason.is_failure:  # one of the spool stays there and is offered again after the next connection
            self._refused(str(reason))
        elif message_id is not None:
            self._hooks.acknowledged(message_id)

    def _on_message(self, _client: Client, _: Any, message: MQTTMessage) -> None:
        if self.window and (received := self._inbox.take(self.window, message)):
            self._loop.call_soon(self._hooks.received, received)

    def _on_subscribe(
        self, _client: Client, _: Any, mid: int, reasons: list[ReasonCode], _told: Properties | None
    ) -> None:
        self._subscriptions.answered(mid, reasons)
