"""Commands from the broker. They ask, and choose nothing: what is trusted is the updater's business alone."""

from __future__ import annotations

import time

import msgspec

from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.link.mqtt import Link, Received
from firmware_profiles import topics, wire
from firmware_profiles.wire import Command, Reply

_AGAIN_S = 60.0
_MAX_BYTES = 1024


class Commanded:
    """Does what is asked, and says so."""

    def __init__(self, root: Root, device: str, host: Host, link: Link) -> None:
        self._request = root.request
        self._device = device
        self._host = host
        self._link = link
        self._asked_s: float | None = None

    def received(self, message: Received) -> None:
        """A command of the broker's."""
        try:
            msgspec.json.decode(message.payload[:_MAX_BYTES], type=Command)
            done, error = self._look_for_an_update()
        except (ValueError, RecursionError) as problem:  # msgspec's errors are ValueErrors
            done, error = "", f'expected {{"command": "update"}}, found something else: {problem}'
        version = self._host.deployment.manifest.version
        reply = Reply(device=self._device, version=version, done=done, error=error)
        topic = topics.reply_topic(topics.Topic(self._device, "cmd"), message.response_topic)
        self._link.publish(topic, wire.encode(reply), message.correlation)
        self._link.accept(message.token)

    def _look_for_an_update(self) -> tuple[str, str]:
        """What was done, or else why not."""
        now_s = time.monotonic()
        if self._asked_s is not None and now_s - self._asked_s < _AGAIN_S:
            return "", f"this was asked for {now_s - self._asked_s:.0f} s ago; at most once in {_AGAIN_S:.0f} s"
        try:
            self._request.touch()
        except OSError as error:
            return "", f"the request cannot be left: {(error.strerror or str(error)).lower()}"
        self._asked_s = now_s
        return "the updater is asked to look for an update", ""
