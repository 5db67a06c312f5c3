"""What a source gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from edge_agent.runtimes.base import Array
from firmware_profiles.errors import InputError


class Item(NamedTuple):
    """One raw input, or why it cannot be read.

    Attributes:
        position: where in the source; the same after any restart.
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
            InputError: the source itself cannot be read.
        """
        ...

    def gone(self) -> list[str]:
        """Named positions that vanished from the source since the last call."""
        ...

    def fileno(self) -> int | None:
        """What becomes readable when there may be an input; None where only time tells."""
        ...

    def close(self) -> None:
        """Let go of everything that it holds."""
        ...
