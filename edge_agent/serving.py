"""HTTP of a running agent: started where it can listen; an agent that cannot goes on without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from edge_agent.config import Http
from edge_agent.hosting import Host
from edge_agent.layout import Root
from edge_agent.outbox import Outbox
from edge_agent.reports import Reporter
from edge_agent.served import Served
from firmware_profiles.errors import GodwitError

if TYPE_CHECKING:
    from edge_agent.web.server import Server


class Serving:
    """The server, if the configuration wants one."""

    def __init__(self, settings: Http, root: Root, host: Host, outbox: Outbox, reporter: Reporter) -> None:
        token_file = str(root.folder / settings.token_file) if settings.token_file else ""
        self._settings = msgspec.structs.replace(settings, token_file=token_file)
        self._outbox = outbox
        self._backend = Served(host, outbox, reporter)
        self._server: Server | None = None

    async def start(self) -> str:
        """Listen; HOST:PORT where it does, and an empty string and an event where it cannot."""
        if not self._settings.listen:
            return ""
        try:
            # Late: an agent that does not listen is smaller without it.
            from edge_agent.web import server

            self._server = server.build(self._settings, self._backend)
            port = await self._server.start(self._settings.listen)
        except (GodwitError, ImportError) as error:
            self._server = None
            self._outbox.event("http_unavailable", "warning", str(error))
            return ""
        return f"{self._settings.listen.rpartition(':')[0]}:{port}"

    def stop(self) -> None:
        """End at once."""
        if self._server:
            self._server.stop()
