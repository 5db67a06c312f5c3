"""What is updated: deployments and the agent's own code. The table treats both alike; here is how they differ."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from edge_agent.config import Config
from edge_agent.deployment import read_slot, sha256_of
from edge_agent.layout import Root
from edge_agent.ota import agent_slots, fitting, testing
from edge_agent.ota.journal import Plan, Slot
from edge_agent.ota.slots import Slots
from firmware_profiles import targets
from firmware_profiles.agent_code import DESCRIPTION, AgentCode
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import BundleError, Problem
from firmware_profiles.health import Health
from firmware_profiles.manifest import MANIFEST_NAME, Limits
from firmware_profiles.targets import Offer

AGENT = "agent"
"""The name of the agent's own code, where a deployment has one."""


class Named(NamedTuple):
    """What lies in a slot."""

    name: str
    version: str


class Expected(NamedTuple):
    """What an agent says that runs it, and what it may cost.

    Attributes:
        is_it: whether the agent speaks of it.
        fault: why it will never run; empty where nothing speaks against it.
    """

    is_it: Callable[[Health], bool]
    limits: Limits
    fault: Callable[[], str]


class Kind(Protocol):
    """One of the two."""

    slots: Slots

    def stage(self, file: Path, plan: Plan) -> None:
        """Unpack a file into the idle slot.

        Raises:
            BundleError: it is damaged, not what was planned, or not for here.
            OSError: the disk refused.
        """
        ...

    def check(self, slot: Slot) -> dict[str, str]:
        """The self-test; as in the journal, what was tested.

        Raises:
            GodwitError: it did not pass.
        """
        ...

    def named(self, slot: Slot) -> Named | None:
        """What lies in `slot`; None for nothing that can be read."""
        ...

    def is_whole(self, slot: Slot) -> bool:
        """Whether every byte in `slot` is what it must be."""
        ...

    def runs(self, offer: Offer) -> bool:
        """Whether the active slot holds what is offered."""
        ...

    def expected(self, slot: Slot) -> Expected:
        """By what the agent is judged that runs it.

        Raises:
            BundleError, OSError: it cannot be read any more.
        """
        ...


class Deployments:
    """Bundles; see `Kind`."""

    def __init__(self, root: Root, config: Config) -> None:
        self.slots = Slots(root.slots)
        self._external = config.runtime.external

    def stage(self, file: Path, plan: Plan) -> None:
        with Bundle(file) as bundle:
            fitting.check(bundle, plan)
            self.slots.stage(bundle, plan.slot)

    def check(self, slot: Slot) -> dict[str, str]:
        return testing.check(self.slots.path(slot), self._external)

    def named(self, slot: Slot) -> Named | None:
        try:
            manifest = read_slot(self.slots.path(slot)).manifest
        except BundleError:
            return None
        return Named(manifest.name, manifest.version)

    def is_whole(self, slot: Slot) -> bool:
        return self.slots.is_whole(slot)

    def runs(self, offer: Offer) -> bool:
        return self.slots.sha256(self.slots.active()) == offer.sha256

    def expected(self, slot: Slot) -> Expected:
        folder = self.slots.path(slot)
        sha256 = hashlib.sha256((folder / MANIFEST_NAME).read_bytes()).hexdigest()
        limits = read_slot(folder).manifest.limits
        return Expected(lambda health: health.manifest_sha256 == sha256, limits, lambda: "")


class AgentCodes:
    """The agent's own code; see `Kind`."""

    def __init__(self, root: Root, config: Config) -> None:
        self.slots = Slots(root.agent_code)
        self._root = root
        self._external = config.runtime.external

    def stage(self, file: Path, plan: Plan) -> None:
        step = "try again"
        if sha256_of(file) != plan.sha256:
            raise BundleError(Problem(str(file), f"sha256 {plan.sha256[:12]}…", "another", step))
        if self._root.agent_code / plan.slot != agent_slots.idle(self._root):
            raise BundleError(Problem(str(file), "an idle slot", f"slot {plan.slot}, which is proven", step))
        of = agent_slots.stage(file, self._root)
        if of.version != plan.version:
            raise BundleError(Problem(str(file), f"version {plan.version}", of.version, "sign it as what it is"))

    def check(self, slot: Slot) -> dict[str, str]:
        code = self.slots.path(slot)
        agent_slots.check(code)
        if not self._root.active.exists():
            return {}
        return testing.check_code(agent_slots.environment(code), self._root.active.resolve(), self._external)

    def named(self, slot: Slot) -> Named | None:
        of = self._description(slot)
        return Named(AGENT, of.version) if of else None

    def is_whole(self, slot: Slot) -> bool:
        of, folder = self._description(slot), self.slots.path(slot)
        if of is None or not slot:
            return False
        files = ((folder / name, entry) for name, entry in of.files.items())
        return all(path.is_file() and sha256_of(path) == entry.sha256 for path, entry in files)

    def runs(self, offer: Offer) -> bool:
        return self.named(self.slots.active()) == (offer.deployment, offer.version)

    def expected(self, slot: Slot) -> Expected:
        limits = read_slot(self._root.active).manifest.limits
        return Expected(lambda health: health.agent_slot == slot, limits, lambda: agent_slots.passed_over(self._root))

    def _description(self, slot: Slot) -> AgentCode | None:
        try:
            return msgspec.json.decode((self.slots.path(slot) / DESCRIPTION).read_bytes(), type=AgentCode)
        except (OSError, ValueError, RecursionError):
            return None


def of_root(root: Root, config: Config) -> dict[targets.Kind, Kind]:
    """Both kinds, by their names."""
    return {"deployment": Deployments(root, config), "agent": AgentCodes(root, config)}


def python_tag() -> str:
    """Of this Python, as the agent's code is signed for: "cp311"."""
    return f"cp{sys.version_info[0]}{sys.version_info[1]}"
