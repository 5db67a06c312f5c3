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
from fleet.flash import plan
from fleet.flash.given import Given
from fleet.flash.plan import Planned
from fleet.flash.sources import KIT, TRUST_ROOT, Source


class Here:
    """A `target.Target`."""

    def __init__(self, root: Path, given: Given) -> None:
        self.name = f"dir://{root}"
        self.becomes = "is now active"
        self._root = root
        self._flags = given.flags

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
        return plan.of(goods, self.name, str(self._root), steps, None, [])

    def act(self, planned: Planned, source: Source, say: Callable[[str], None]) -> Installed:
        """Install.

        Raises:
            GodwitError: what `edge-agent install` told.
        """
        with tempfile.TemporaryDirectory(prefix="godwit-flash-") as scratch:
            folder = Path(scratch)
            source.write(planned.goods, folder)
            return self._install(folder, planned.plan.profiles[0])

    def _install(self, folder: Path, made_for: str) -> Installed:
        command = [sys.executable, "-m", "edge_agent", "install", str(folder / KIT)]
        trusted = ["--trust-root", str(folder / TRUST_ROOT), "--profile", made_for]
        line = [*command, *trusted, "--root", str(self._root), "--json", *self._flags]
        ended = subprocess.run(line, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            return msgspec.json.decode(ended.stdout, type=Installed)
        if told := from_process(ended.returncode, ended.stderr):
            raise told
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise GodwitError(Problem(self.name, "an installation", last, "this is a bug in Godwit: please report it"))
