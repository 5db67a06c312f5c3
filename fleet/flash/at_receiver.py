"""Flash over a serial line at whose other end `edge-agent receive` runs: it takes a signed kit, and installs it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from firmware_profiles.errors import GodwitError, Problem, UnavailableError, from_process
from firmware_profiles.installation import Installed
from firmware_profiles.serial_link import contents
from fleet.flash import bringing, meeting, plan
from fleet.flash.given import Given
from fleet.flash.plan import Planned
from fleet.flash.port import Port
from fleet.flash.road import Facts
from fleet.flash.serial_target import SerialTarget
from fleet.flash.sources import KIT, TRUST_ROOT, Source

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
        same = facts.manifest_sha256 == goods.manifest_sha256
        remarks = plan.remarks(facts)
        if self._given.certifier:
            remarks.append("no certificate comes by a receiver: type there: edge-agent identity request")
        return plan.of(goods, self.name, "", [] if same else steps, facts, remarks)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Do what was planned.

        Raises:
            GodwitError: it failed; the device is as it was.
        """
        made, goods = planned
        assert made.facts is not None
        if not made.steps:
            return Installed(made.deployment, made.version, "", made.facts.device, changed=False)
        told = {"profile": goods.manifest.profiles[0]}
        for flag in self._given.flags:
            name, _, value = flag.removeprefix("--").partition("=")
            told[name.replace("-", "_")] = value
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            folder = Path(scratch)
            source.write(goods, folder)
            cargo = contents.gather(folder / KIT, folder / TRUST_ROOT, **told)
            host = bringing.host_of(cargo)
            meeting.wait(self._port, host, self.name, _AGAIN_S)
            said = bringing.bring(host, self._port, lambda *done: say(bringing.in_words(*done)))
        return self._installed(said.exit_code, said.stdout, said.stderr)

    def _installed(self, exit_code: int, stdout: str, stderr: str) -> Installed:
        if exit_code == 0:
            try:
                return msgspec.json.decode(stdout, type=Installed)
            except msgspec.DecodeError:
                pass
        elif told := from_process(exit_code, stderr):
            raise type(told)(*(each._replace(where=f"{self.name}: {each.where}") for each in told.problems))
        last = (stderr.strip().splitlines() or [f"exit status {exit_code}"])[-1][:200]
        raise GodwitError(Problem(self.name, "an installation", last, "look at the journal of edge-agent receive"))
