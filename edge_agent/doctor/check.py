"""One check's outcome, and what all of them look at."""

from __future__ import annotations

from typing import Literal, NamedTuple

import msgspec

from edge_agent.config import Config
from edge_agent.deployment import Deployment
from edge_agent.layout import Root
from edge_agent.status import Status
from firmware_profiles.errors import GodwitError

Level = Literal["ok", "warn", "fail"]


class Check(msgspec.Struct, frozen=True):
    """One line of `edge-agent doctor`.

    Attributes:
        found: what is there, in words.
        step: what to do about it; empty where it is as it should be.
    """

    name: str
    level: Level
    found: str
    step: str = ""


class Patient(NamedTuple):
    """A device root.

    Attributes:
        status: of the running agent; None where none runs.
    """

    root: Root
    config: Config
    deployment: Deployment
    status: Status | None


def failed(name: str, error: GodwitError) -> list[Check]:
    """Each of an error's problems as a check."""
    return [
        Check(name, "fail", f"{each.where}: expected {each.expected}, found {each.found}", each.next_step)
        for each in error.problems
    ]
