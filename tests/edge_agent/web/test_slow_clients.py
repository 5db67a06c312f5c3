"""Whoever keeps the server waiting is let go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from edge_agent.web import connection, server
from edge_agent.web.backend import Backend
from firmware_profiles.bundle import Bundle
from tests.edge_agent.web.served import Client, request


class _Idle:
    """Only what a refusal needs of a backend."""

    def __init__(self, bundle: Path) -> None:
        with Bundle(bundle) as opened:
            self._manifest = opened.manifest

    def manifest(self) -> Any:
        return self._manifest

    def status(self) -> Any:
        raise AssertionError("nobody asks")


@pytest.fixture
def port(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server in this process, with little patience."""
    for name in ("HEAD_S", "BODY_S", "IDLE_S", "STALLED_S"):
        monkeypatch.setattr(connection, name, 0.3)
    loop = asyncio.new_event_loop()
    impatient = server.Server(cast(Backend, _Idle(bundle)), None, 1000, 4)
    found = loop.run_until_complete(impatient.start("127.0.0.1:0"))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield found
    loop.call_soon_threadsafe(impatient.stop)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.mark.parametrize(
    "begun", [b"GET /v2 HTTP/1.1\r\nHost: loc", request("POST", "/v2/models/tiny/infer", Content_Length="100") + b"{"]
)
def test_a_request_that_does_not_arrive_is_given_up(port: int, begun: bytes) -> None:
    with Client(port) as client:
        client.send(begun)
        assert client.answer().status == 408
        assert client.closed()


def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    with Client(port) as client:
        assert client.closed()


def test_a_kept_connection_is_closed_when_it_rests_too_long(port: int) -> None:
    with Client(port) as client:
        client.send(request("GET", "/v2"))
        assert client.answer().status == 200
        assert client.closed()


def ask_on(client: Client) -> None:
    for _ in range(5000):
        client.send(request("GET", "/page.css") * 30)


def test_a_client_that_does_not_read_is_cut(port: int) -> None:
    """Unread answers fill the sockets' buffers; then its requests are not read either, and at last it is cut."""
    with Client(port) as client, pytest.raises(ConnectionError):
        ask_on(client)
