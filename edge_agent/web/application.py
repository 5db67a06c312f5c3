"""What a connection belongs to, and what goes between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

from edge_agent.web.messages import Head, Response

if TYPE_CHECKING:
    from edge_agent.web.connection import Connection

Handler = Callable[[Head, bytes, "Connection"], None]
"""Gets a request with its body, and calls `respond` or `stream` of the connection: once, now or later."""


class Admission(NamedTuple):
    """A request that may go on, with at most so many bytes of body."""

    handler: Handler
    max_body_bytes: int


class Application(Protocol):
    """The server behind all connections.

    Attributes:
        now_s: a coarse clock, by which `Connection.expire_if_late` judges.
        held_bytes: of bodies, over all connections; beyond `max_held_bytes` they are refused.
    """

    now_s: float
    held_bytes: int
    max_held_bytes: int

    def entered(self, connection: Connection) -> Response | None:
        """A connection was made; a response refuses it."""
        ...

    def left(self, connection: Connection) -> None:
        """A connection is gone."""
        ...

    def admit(self, head: Head) -> Admission | Response:
        """Judge a request by its head."""
        ...

    def answered(self, status: int) -> None:
        """A response was sent."""
        ...


def told(answer: Callable[[], Response]) -> Handler:
    """A handler that answers at once, whatever was asked."""

    def handle(_head: Head, _body: bytes, connection: Connection) -> None:
        connection.respond(answer())

    return handle


def fixed(response: Response) -> Handler:
    """A handler that always gives the same answer."""
    return told(lambda: response)
