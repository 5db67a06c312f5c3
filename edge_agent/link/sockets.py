"""An asyncio loop serves the socket of a paho client: it waits, paho reads and writes."""

from __future__ import annotations

import asyncio
from typing import Any

from paho.mqtt.client import Client

Stream = Any
"""A socket, or paho's wrapper of one."""


def serve(client: Client, loop: asyncio.AbstractEventLoop) -> None:
    """Let `loop` read and write for `client`, which may connect in another thread."""
    served = _Served(client, loop)
    client.on_socket_open = served.on_open
    client.on_socket_close = served.on_close
    client.on_socket_register_write = served.on_want_write
    client.on_socket_unregister_write = served.on_written


class _Served:
    def __init__(self, client: Client, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def on_open(self, _client: Client, _: Any, stream: Stream) -> None:
        self._loop.call_soon_threadsafe(self._watch, stream)

    def _watch(self, stream: Stream) -> None:
        if stream.fileno() >= 0:
            self._loop.add_reader(stream, self._read, stream)

    def _read(self, stream: Stream) -> None:
        # What it returns is told by on_disconnect too.
        self._client.loop_read()
        # TLS takes whole records off the socket, which then is not readable although there is more.
        while stream.fileno() >= 0 and getattr(stream, "pending", int)():
            self._client.loop_read()

    def on_close(self, _client: Client, _: Any, stream: Stream) -> None:
        self._loop.remove_reader(stream)
        self._loop.remove_writer(stream)

    def on_want_write(self, _client: Client, _: Any, stream: Stream) -> None:
        self._loop.call_soon_threadsafe(self._watch_writes, stream)

    def _watch_writes(self, stream: Stream) -> None:
        self._client.loop_write()
        if self._client.want_write() and stream.fileno() >= 0:
            self._loop.add_writer(stream, self._client.loop_write)

    def on_written(self, _client: Client, _: Any, stream: Stream) -> None:
        self._loop.remove_writer(stream)
