"""Where the server listens, and what it brings into the supervisor."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from edge_agent.config import Http
from edge_agent.web import server
from firmware_profiles.errors import UnavailableError
from tests.test_imports import HEAVY, loaded_by


def test_a_taken_port_is_told_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listening = server.build(Http(), None, cast(Any, None))
        with pytest.raises(UnavailableError, match=r"in use.*listen = "):
            asyncio.run(listening.start(f"127.0.0.1:{taken.getsockname()[1]}"))


def test_the_supervisor_s_side_is_light() -> None:
    assert loaded_by("edge_agent.web.server") & HEAVY == set()


def test_httptools_is_loaded_only_where_http_listens() -> None:
    assert "httptools" not in loaded_by("edge_agent.supervisor")
    assert "httptools" not in loaded_by("edge_agent.web.answering")
