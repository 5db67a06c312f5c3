"""What a source gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge_agent.channel import Rest
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError


class Item(NamedTuple):
    """One raw input, or why it cannot be read.

    Attributes:
        position: where in the source; the same after any restart where the source can be read again.
            A live source, which cannot, numbers on.
    """

    position: int | str
    content: Array | InputError


class Ended(Exception):  # noqa: N818  # like StopIteration: an end is no error
    """A source has no more inputs and never will."""


class Source(Protocol):
    """Gives raw inputs, one at a time, without ever blocking for long."""

    def poll(self) -> Item | None:
        """The next input; None if there is none right now.

        Raises:
            Ended: there will be none any more.
            InputError: the source itself cannot be read. Polled on, it tries again when that is due.
        """
        ...

    def gone(self) -> list[str]:
        """Named positions that vanished from the source since the last call."""
        ...

    def fileno(self) -> int | None:
        """What becomes readable when a `poll` that gave None may give something; None: poll by time.

        It may be another one after every `poll`.
        """
        ...

    def finish(self) -> None:
        """Read nothing more: `poll` gives what was read, and then raises Ended."""
        ...

    def close(self) -> Rest | None:
        """Release files, ports and processes. Nothing else is called afterwards.

        Returns:
            What was read and made no input, where another reader could go on with that.
        """
        ...
