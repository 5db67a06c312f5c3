"""Flash over a road on which commands run: probe, compare, bring what is missing, install by `edge-agent install`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.installation import Installed
from fleet.flash import certifier, parcel, plan, scripts
from fleet.flash.given import Given
from fleet.flash.parcel import Order
from fleet.flash.plan import Planned
from fleet.flash.road import DEFAULT_ROOT, Facts, Finished, Road, output
from fleet.flash.sources import Source
from fleet.goods import Goods

_MARGIN_BYTES = 32 << 20


class OnDevice:
    """A `target.Target`."""

    def __init__(self, road: Road, owner: str, given: Given) -> None:
        self.name = road.where
        self.becomes = "is now active"
        self._road = road
        self._owner = owner
        self._given = given

    def open(self) -> None:
        """Connect and hold the device.

        Raises:
            UnavailableError: see `Road.open`.
        """
        self._road.open(self._owner)

    def close(self) -> None:
        """Disconnect; never fails."""
        self._road.close()

    def plan(self, source: Source) -> Planned:
        """What is to be done there.

        Raises:
            InputError: the source has nothing for it.
            UnavailableError: everything for which it cannot be done.
        """
        facts = self._road.probe()
        goods = source.choose(facts.arch, facts.board)
        if problems := [
            *plan.obstacles(goods, facts, self.name),
            *parcel.no_agent(source, facts, self.name),
            *self._rights(facts),
        ]:
            raise UnavailableError(*problems)
        steps, sign = self._steps(goods, facts), self._step_to_sign(facts)
        remarks = [*plan.remarks(facts), *self._no_certificate()]
        made, goods = plan.of(goods, self.name, self._road.root, [*steps, *sign], facts, remarks)
        return Planned(msgspec.structs.replace(made, signs=bool(sign)), goods)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; the device is as it was.
        """
        made, goods = planned
        facts = made.facts
        assert facts is not None
        done = Installed(made.deployment, made.version, "", facts.device, changed=False)
        if self._steps(goods, facts):
            done = self._bring(goods, facts, source, say)
        if made.signs:
            assert self._given.certifier is not None
            say("signing a certificate")
            self._given.certifier.certify(self._road, lambda words: self._agent(words, facts), done.device)
            done = msgspec.structs.replace(done, changed=True)
        return done

    def _bring(self, goods: Goods, facts: Facts, source: Source, say: Callable[[str], None]) -> Installed:
        wheels = parcel.agent(source, goods, facts, self.name, say)
        order = Order(self._road.root, self._service(facts), self._given.flags)
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            folder = Path(scratch)
            brought = wheels if wheels and parcel.stamp(wheels) != facts.agent_sha256 else None
            needed = parcel.pack(folder, goods, source, brought, order) + _MARGIN_BYTES
            if needed > facts.free_bytes:
                found = f"{facts.free_bytes / 1e6:.0f} MB"
                step = "free some space there: nothing was sent"
                raise UnavailableError(Problem(self.name, f"{needed / 1e6:.0f} MB of free space", found, step))
            there = self._road.put(folder, lambda done, total: say(f"sent {done / 1e6:.1f} of {total / 1e6:.1f} MB"))
        say("installing")
        return self._install(there, facts)

    def _install(self, there: str, facts: Facts) -> Installed:
        as_root = self._as_root(facts)
        ran = self._road.run(["python3", f"{there}/{scripts.ZIPAPP}", there], as_root)
        self._road.run(["rm", "-rf", there], as_root=False)
        return msgspec.json.decode(output(ran, self.name, "an installation"), type=Installed)

    def _agent(self, words: Sequence[str], facts: Facts) -> Finished:
        """Runs the active `edge-agent` there."""
        root = self._road.root
        alone = ["env", f"PYTHONPATH={root}/agent/active", "PYTHONNOUSERSITE=1", "PYTHONDONTWRITEBYTECODE=1"]
        line = [*alone, "python3", "-m", "edge_agent", *words, "--root", root]
        return self._road.run(line, self._as_root(facts))

    def _step_to_sign(self, facts: Facts) -> list[str]:
        if self._given.certifier is None:
            return []
        is_there = facts.agent_sha256 and facts.manifest_sha256
        found = certifier.shown(self._agent(["identity", "show", "--json"], facts)) if is_there else None
        step = self._given.certifier.step(facts.device or self._given.device, found)
        return [step] if step else []

    def _no_certificate(self) -> list[str]:
        if self._given.certifier or not self._given.broker.startswith("mqtts:") or "@" in self._given.broker:
            return []
        return ["without --ca it gets no certificate to show to its broker"]

    def _steps(self, goods: Goods, facts: Facts) -> list[str]:
        same = facts.manifest_sha256 == goods.manifest_sha256 and facts.agent_sha256
        if same and facts.service in ("active", "") and bool(facts.service) == self._service(facts):
            return []
        steps = []
        if not facts.agent_sha256:
            steps.append(f"bring the agent for Python {facts.python} on {facts.arch}")
        if not same:
            replaced = f" in place of {' '.join(facts.installed)}" if facts.installed else ""
            steps.append(f"install {goods.manifest.name} {goods.manifest.version}{replaced}")
        if self._service(facts):
            steps.append("run it as a service")
        return steps

    def _service(self, facts: Facts) -> bool:
        return self._road.root == DEFAULT_ROOT and facts.init == "systemd"

    def _as_root(self, facts: Facts) -> bool:
        return not facts.writable or self._service(facts)

    def _rights(self, facts: Facts) -> list[Problem]:
        expected = f"the right to write to {self._road.root}"
        if not self._as_root(facts) or facts.rights in ("root", "sudo"):
            return []
        if facts.rights == "none":
            step = f"log in as root or as one who may use sudo; without a service: {self.name}?root=DIR"
            return [Problem(self.name, expected, "neither root nor sudo", step)]
        if not self._given.password_file:
            step = "give the password's file: --password-file F"
            return [Problem(self.name, expected, "a sudo that wants a password", step)]
        self._road.run(["true"], as_root=True)  # a wrong one is told now
        return []
