"""HTTP of a running agent: started where it can listen; an agent that cannot goes on without."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from edge_agent.config import Http
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.outbox import Outbox
from edge_agent.reports import Reporter
from edge_agent.served import Served
from firmware_profiles.errors import GodwitError

if TYPE_CHECKING:
    from edge_agent.web.server import Server

_log = logging.getLogger(__name__)


class Serving:
    """The server, if the configuration wants one."""

    def __init__(self, settings: Http, root: Root, host: Host, outbox: Outbox, reporter: Reporter) -> None:
        self._settings = settings
        self._root = root
        self._outbox = outbox
        self._backend = Served(host, outbox, reporter)
        self._server: Server | None = None

    async def start(self) -> str:
        """Listen; HOST:PORT where it does, and an empty string and an event where it cannot."""
        if not self._settings.listen:
            return ""
        try:
            # Late: an agent that does not listen is smaller without it.
            from edge_agent.web import access, server

            token, made = access.find(self._settings, self._root, os.environ)
            self._server = server.build(self._settings, token, self._backend)
            port = await self._server.start(self._settings.listen)
        except (GodwitError, ImportError, OSError) as error:
            self._server = None
            self._outbox.event("http_unavailable", "warning", str(error))
            return ""
        if made and token:  # where the agent runs in a container, its log is all that a person sees of it
            _log.info("the page: http://localhost:%d/?token=%s", port, token.decode())
        return f"{self._settings.listen.rpartition(':')[0]}:{port}"

    def stop(self) -> None:
        """End at once."""
        if self._server:
            self._server.stop()
