"""The updater: does what the table says, and is the only one that writes below `slots` and `update`.

One process at a time; it begins by going on with whatever the journal says was being done.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent import clock
from edge_agent.config import Config
from edge_agent.layout import Root
from edge_agent.ota import fetching, history, journal, kinds, leftovers, states, watching
from edge_agent.ota.carrier import Carrier
from edge_agent.ota.history import Entry, Rejected
from edge_agent.ota.journal import DamagedError, Journal, Plan
from edge_agent.ota.kinds import Kind
from edge_agent.ota.proof import Probation
from edge_agent.ota.states import Event
from firmware_profiles import targets
from firmware_profiles.errors import BundleError, GodwitError, Problem, UnavailableError


class Outcome(NamedTuple):
    """How an action ended, and why where there is more to say."""

    event: Event
    reason: str = ""


class Updater:
    """Works on one device root.

    Attributes:
        journal: what it is at.
        carrier: brings what it fetches.
        finished: the history's entry of the update that ended last.
    """

    def __init__(self, root: Root, config: Config, carrier: Carrier | None, watch: bool) -> None:
        """Work with what `carrier` brings; `watch` whether to wait until a version on probation is judged."""
        self.journal = Journal()
        self.finished: Entry | None = None
        self._root = root
        self._config = config
        self.carrier = carrier
        self._watch = watch
        self._kinds = kinds.of_root(root, config)
        self._actions: dict[states.Action, Callable[[Plan], Outcome | None]] = {
            "fetch": self._fetch,
            "stage": self._stage,
            "test": self._test,
            "switch": self._switch,
            "prove": self._prove,
            "commit": self._commit,
            "switch_back": self._switch_back,
            "reject": self._reject,
            "give_up": self._give_up,
        }

    def resume(self) -> None:
        """Read the journal, and go on with what was being done.

        Raises:
            OSError: the disk refused; what was done so far is in the journal.
        """
        leftovers.remove(self._root)
        damaged = ""
        try:
            self.journal = journal.load(self._root)
        except DamagedError as error:
            damaged = f"the journal was damaged ({error}) and is kept as {error.kept.name}"
            history.add(self._root, history.about_nothing("update_lost", damaged))
        _, on_restart = states.at(self.journal.state)
        if on_restart == "rest":
            for name in self._kinds:
                self._leave_what_is_not_proven(name, damaged or "the journal was lost")
            return
        if self.journal.state == "proving" and not self._watch:
            return
        is_counted = self.journal.counted_boot == clock.boot_id()
        self._save(starts=self.journal.starts + (not is_counted), counted_boot="")
        self._go_on(self._looped() or self._act())

    def count_boot(self) -> None:
        """As `resume`, before the agent starts what is not proven; of a version on probation the boot is counted.

        It may take the device down before the updater would start otherwise.
        """
        self.resume()
        if self.journal.state == "proving":
            self._save(starts=self.journal.starts + 1, counted_boot=clock.boot_id())
            self._go_on(self._looped())

    def run(self, event: Event, plan: Plan, reason: str = "") -> None:
        """Begin with `event`, which happens at rest or on probation, and do all that follows from it.

        Raises:
            OSError: the disk refused; what was done so far is in the journal.
        """
        if self.journal.state == "idle":
            self.journal = self.journal.of(plan)
        self._go_on(Outcome(event, reason))

    def looked(self) -> None:
        """Remember that the repository was looked into just now."""
        self._save(checked_boot=clock.boot_id(), checked_uptime_ms=clock.uptime_ms())

    def _looped(self) -> Outcome | None:
        """The end of what was begun too often."""
        state, starts = self.journal.state, self.journal.starts
        if starts <= states.MOST_STARTS or not states.admits(state, "looped"):
            return None
        return Outcome("looped", f"{state} was begun {starts} times, and never ended")

    def _go_on(self, outcome: Outcome | None) -> None:
        while outcome is not None:
            row = states.after(self.journal.state, outcome.event)
            if outcome.reason:
                self.journal = self.journal.because(outcome.reason)
            self._save(state=row.next_state, starts=0, counted_boot="")
            outcome = None if row.action == "rest" else self._act()

    def _act(self) -> Outcome | None:
        """Do what the present state asks for; None where nothing came of it yet."""
        state, plan = self.journal.state, self.journal.plan
        assert plan is not None, "the journal has been checked"
        action, _ = states.at(state)
        began_s = time.monotonic()
        try:
            outcome = self._actions[action](plan)
        except OSError as error:
            if not states.admits(state, "failed"):
                raise
            outcome = Outcome("failed", f"{error.filename or self._root.folder}: {error.strerror or error}")
        spent_s = {**self.journal.spent_s, state: round(time.monotonic() - began_s, 3)}
        self.journal = msgspec.structs.replace(self.journal, spent_s=spent_s)
        return outcome

    def _save(self, **changes: object) -> None:
        self.journal = msgspec.structs.replace(self.journal, **changes)
        journal.save(self._root, self.journal)

    def _leave_what_is_not_proven(self, name: targets.Kind, reason: str) -> None:
        """At rest, what is active was proven. If it was not, the journal is lost, and nobody knows how it does."""
        kind = self._kinds[name]
        active, proven = kind.slots.active(), kind.slots.proven()
        if not proven or active == proven:
            return
        if kind.is_whole(proven):
            self.run("lost", plan_back(name, kind), reason)
        else:
            kind.slots.prove(active)

    def _fetch(self, plan: Plan) -> Outcome:
        assert plan.offer is not None, "only offers are fetched"
        if self.carrier is None:
            return Outcome("failed", "there is nowhere to fetch it from any more")
        try:
            found = fetching.fetch(self._root, plan.offer, self.carrier, self._kinds[plan.kind].slots)
        except GodwitError as error:
            return Outcome("failed", str(error))
        fetched_bytes = self.journal.fetched_bytes + found.fetched_bytes
        self.journal = msgspec.structs.replace(self.journal, way=found.way, fetched_bytes=fetched_bytes)
        return Outcome("fetched", "; ".join(found.passed_over))

    def _stage(self, plan: Plan) -> Outcome:
        path = Path(plan.bundle) if plan.bundle else fetching.bundle_path(self._root, plan.sha256)
        if not path.exists():
            return Outcome("failed", f"{path} is gone")
        try:
            self._kinds[plan.kind].stage(path, plan)
        except BundleError as error:
            return Outcome("refused", str(error))
        return Outcome("trusted" if plan.offer is None else "staged")

    def _test(self, plan: Plan) -> Outcome:
        try:
            tested = self._kinds[plan.kind].check(plan.slot)
        except GodwitError as error:
            return Outcome("refused", str(error))
        self.journal = msgspec.structs.replace(self.journal, tested=tested)
        return Outcome("passed")

    def _switch(self, plan: Plan) -> Outcome:
        self._kinds[plan.kind].slots.activate(plan.slot)
        # What a person installs by hand, or where there is nothing else, is what runs: there is no way back.
        return Outcome("switched" if plan.previous and plan.offer else "first")

    def _prove(self, plan: Plan) -> Outcome | None:
        if not self._watch:
            return None
        try:
            expected = self._kinds[plan.kind].expected(plan.slot)
        except (OSError, BundleError) as error:
            return Outcome("unhealthy", f"it cannot be read any more: {error}")
        probation = Probation(expected, self._config.update, clock.boot_id(), clock.uptime_ms())
        verdict = watching.watch(self._root, probation)
        if verdict is None:
            self._save(starts=0)  # it ended by itself, which is no loop
            return None
        return Outcome(verdict.event, verdict.reason)

    def _commit(self, plan: Plan) -> Outcome:
        self._kinds[plan.kind].slots.prove(plan.slot)
        history.forgive(self._root, plan.kind, plan.deployment, plan.version)
        self._end("update_committed", plan)
        return Outcome("committed")

    def _switch_back(self, plan: Plan) -> Outcome:
        kind = self._kinds[plan.kind]
        if not kind.is_whole(plan.previous):
            kind.slots.prove(plan.slot)
            return Outcome("no_way_back", f"{self.journal.reason}; slot {plan.previous or '-'} is not whole")
        kind.slots.activate(plan.previous)
        kind.slots.prove(plan.previous)
        return Outcome("switched_back")

    def _reject(self, plan: Plan) -> Outcome:
        history.reject(self._root, Rejected(plan.kind, plan.deployment, plan.version, self.journal.reason))
        self._end("update_rejected", plan)
        return Outcome("rejected")

    def _give_up(self, plan: Plan) -> Outcome:
        self._end("update_failed", plan)
        return Outcome("given_up")

    def _end(self, event: str, plan: Plan) -> None:
        """Tell what became of it, and remove what it leaves."""
        self.finished = history.entry(event, self.journal)
        history.add(self._root, self.finished)
        kind = self._kinds[plan.kind]
        if plan.slot != kind.slots.active() and kind.named(plan.slot) in (None, (plan.deployment, plan.version)):
            kind.slots.wipe(plan.slot)
        if event != "update_failed":  # then a part of it may be of use the next time
            for path in self._root.download.iterdir():
                path.unlink()


def plan_back(name: targets.Kind, kind: Kind) -> Plan:
    """Leave the active slot for the other one.

    Raises:
        UnavailableError: nothing whole lies there.
    """
    active, other = kind.slots.active(), kind.slots.idle()
    if not active or not kind.is_whole(other):
        step = "install a bundle or a kit instead"
        raise UnavailableError(Problem(str(kind.slots.folder), "a whole one in the other slot", "none", step))
    leaving = kind.named(active) or kinds.Named("unknown", "unknown")
    return Plan(name, leaving.name, leaving.version, active, other)
