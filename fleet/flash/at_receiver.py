"""Flash over a serial line at whose other end `edge-agent receive` runs: it takes a signed kit, and installs it.

A certificate takes two more transfers: the device asks in the outcome of the first, and takes the second.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from firmware_profiles import VERSION
from firmware_profiles.errors import GodwitError, Problem, UnavailableError
from firmware_profiles.installation import Installed
from firmware_profiles.serial_link import contents
from firmware_profiles.serial_link.contents import Cargo
from fleet.flash import bringing, meeting, plan
from fleet.flash.given import Given
from fleet.flash.plan import Planned
from fleet.flash.port import Port
from fleet.flash.road import Facts, Finished, output
from fleet.flash.serial_target import SerialTarget
from fleet.flash.sources import KIT, TRUST_ROOT, Source
from fleet.goods import Goods

_AGAIN_S = 10.0
_UNASKED: dict[str, Any] = {
    "init": "none",
    "rights": "root",
    "writable": True,
    "readable": True,
    "agent_sha256": "",
    "service": "",
}
"""Of `Facts`: a receiver has its rights, and brings no agent."""


class AtReceiver:
    """A `target.Target`; the port is open and a receiver has told `facts` as JSON."""

    def __init__(self, target: SerialTarget, port: Port, facts: bytes, given: Given) -> None:
        self.name = target.url
        self._target = target
        self._port = port
        self._facts = facts
        self._given = given

    def open(self) -> None:
        """It is."""

    def close(self) -> None:
        """The port is not ours."""

    def plan(self, source: Source) -> Planned:
        """What is to be done there.

        Raises:
            UnavailableError: everything for which it cannot be done.
        """
        try:
            facts = msgspec.convert({**_UNASKED, **msgspec.json.decode(self._facts)}, Facts)
        except (msgspec.MsgspecError, TypeError):
            step = "install the same version of Godwit on both"
            raise UnavailableError(Problem(self.name, "what the device is", "something else", step)) from None
        goods = source.choose(facts.arch, facts.board)
        if problems := list(plan.obstacles(goods, facts, self.name)):
            raise UnavailableError(*problems)
        replaced = f" in place of {' '.join(facts.installed)}" if facts.installed else ""
        steps = [f"install {goods.manifest.name} {goods.manifest.version}{replaced}"]
        if facts.manifest_sha256 == goods.manifest_sha256:
            steps = []
        sign = self._step_to_sign(facts)
        made, goods = plan.of(goods, self.name, "", [*steps, *sign], facts, [*plan.remarks(facts), *_old_agent(facts)])
        return Planned(msgspec.structs.replace(made, signs=bool(sign)), goods)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; the device is as it was.
        """
        made, goods = planned
        assert made.facts is not None
        done = Installed(made.deployment, made.version, "", made.facts.device, changed=False)
        if made.facts.manifest_sha256 != goods.manifest_sha256:
            done = self._install(goods, source, say)
        if made.signs:
            say("signing a certificate")
            self._certify(done.device, say)
            done = msgspec.structs.replace(done, changed=True)
        return done

    def _install(self, goods: Goods, source: Source, say: Callable[[str], None]) -> Installed:
        told = {"profile": goods.manifest.profiles[0]}
        for flag in self._given.flags:
            name, _, value = flag.removeprefix("--").partition("=")
            told[name.replace("-", "_")] = value
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            folder = Path(scratch)
            source.write(goods, folder, [], code=True)
            ended = self._bring(contents.gather(folder / KIT, folder / TRUST_ROOT, **told), say)
        try:
            done = msgspec.json.decode(output(ended, self.name, "an installation"), type=Installed)
        except msgspec.DecodeError:
            step = "look at the journal of edge-agent receive"
            raise GodwitError(Problem(self.name, "an installation", "another answer", step)) from None
        wanted = goods.manifest
        if (done.deployment, done.version) != (wanted.name, wanted.version):
            step = "flash again when it has proven itself there (edge-agent status): nothing is sent twice"
            found = "newer code of the agent, which came first and is on probation"
            raise UnavailableError(Problem(self.name, f"{wanted.name} {wanted.version}", found, step))
        return done

    def _certify(self, device: str, say: Callable[[str], None]) -> None:
        """Have the device ask, sign, and bring what was signed."""
        certifier = self._given.certifier
        assert certifier is not None, "the plan signs"
        ca = certifier.authority.certificate
        asked = self._bring(contents.gather_identity(ca, None), say)
        signed = certifier.sign(output(asked, self.name, "a signing request"), device)
        taken = self._bring(contents.gather_identity(ca, signed), say)
        output(taken, self.name, "a certificate that is accepted")

    def _bring(self, cargo: Cargo, say: Callable[[str], None]) -> Finished:
        host = bringing.host_of(cargo)
        meeting.wait(self._port, host, self.name, _AGAIN_S)
        said = bringing.bring(host, self._port, lambda *done: say(bringing.in_words(*done)))
        return Finished(said.exit_code, said.stdout.encode(), said.stderr)

    def _step_to_sign(self, facts: Facts) -> list[str]:
        if self._given.certifier is None:
            return []
        step = self._given.certifier.step(facts.device or self._given.device, facts.identity)
        return [step] if step else []


def _old_agent(facts: Facts) -> list[str]:
    if not facts.agent_version or not plan.newer(VERSION, facts.agent_version):
        return []
    how = "godwit kit, then godwit repo add; or flash it by another road"
    return [f"its agent is {facts.agent_version}, this Godwit {VERSION}: a line brings it from a repository ({how})"]
