"""`dir:///PATH`: a device root on this machine, by the `edge-agent` command itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware_profiles import profile
from firmware_profiles.errors import BundleError, GodwitError, Problem, from_process
from firmware_profiles.installation import Installed
from fleet.flash import certifier, plan
from fleet.flash.given import Given
from fleet.flash.plan import Planned
from fleet.flash.road import Finished
from fleet.flash.sources import KIT, TRUST_ROOT, Source


class Here:
    """A `target.Target`."""

    def __init__(self, root: Path, given: Given) -> None:
        self.name = f"dir://{root}"
        self.becomes = "is now active"
        self._root = root
        self._given = given

    def open(self) -> None:
        """Nothing is connected."""

    def close(self) -> None:
        """Nothing is connected."""

    def plan(self, source: Source) -> Planned:
        """What is to be done.

        Raises:
            BundleError: it is for another machine than this one.
        """
        goods = source.choose(profile.userland_arch(), profile.board())
        what = goods.manifest
        if what.arch != profile.userland_arch():
            step = "convert with --target for this device"
            made_for = f"one for {what.profiles[0]} ({what.arch})"
            expected = f"a bundle for this machine ({profile.userland_arch()})"
            raise BundleError(Problem(str(goods.bundle), expected, made_for, step))
        steps = [f"install {what.name} {what.version} for {', '.join(what.profiles)} ({goods.size_bytes} bytes)"]
        sign = self._step_to_sign()
        made, goods = plan.of(goods, self.name, str(self._root), [*steps, *sign], None, [])
        return Planned(msgspec.structs.replace(made, signs=bool(sign)), goods)

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Install.

        Raises:
            GodwitError: what `edge-agent install` told.
        """
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            folder = Path(scratch)
            source.write(planned.goods, folder, [], code=False)
            trusted = ["--trust-root", str(folder / TRUST_ROOT), "--profile", planned.plan.profiles[0]]
            told = self._must("install", str(folder / KIT), *trusted, "--deployment-only", "--json", *self._given.flags)
        done = msgspec.json.decode(told, type=Installed)
        if not planned.plan.signs:
            return done
        say("signing a certificate")
        self._certify(done.device)
        return msgspec.structs.replace(done, changed=True)

    def _step_to_sign(self) -> list[str]:
        if self._given.certifier is None:
            return []
        found = certifier.shown(self._agent("identity", "show", "--json"))
        step = self._given.certifier.step(found.device if found else self._given.device, found)
        return [step] if step else []

    def _certify(self, device: str) -> None:
        signs = self._given.certifier
        assert signs is not None, "the plan signs"
        signed = signs.sign(self._must("identity", "request"), device)
        self._must("identity", "accept", str(signed), "--ca", str(signs.authority.certificate))

    def _must(self, *words: str) -> bytes:
        """What `edge-agent` prints, which ends well.

        Raises:
            GodwitError: it does not.
        """
        ended = self._agent(*words)
        if ended.exit_code == 0:
            return ended.stdout
        if told := from_process(ended.exit_code, ended.stderr):
            raise told
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.exit_code}"])[-1]
        step = "this is a bug in Godwit: please report it"
        raise GodwitError(Problem(self.name, f"an end of edge-agent {words[0]}", last, step))

    def _agent(self, *words: str) -> Finished:
        line = [sys.executable, "-m", "edge_agent", *words, "--root", str(self._root)]
        ended = subprocess.run(line, capture_output=True, check=False)
        return Finished(ended.returncode, ended.stdout, ended.stderr.decode(errors="replace"))
