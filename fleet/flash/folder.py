"""`dir:///PATH`: a device root on this machine, by the `edge-agent` command itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware_profiles.errors import GodwitError, Problem, from_process
from firmware_profiles.installation import Installed
from fleet.flash import plan
from fleet.flash.goods import Goods
from fleet.flash.plan import Plan


class Here:
    """A `target.Target`."""

    def __init__(self, root: Path) -> None:
        self.name = f"dir://{root}"
        self._root = root

    def open(self) -> None:
        """Nothing is connected."""

    def close(self) -> None:
        """Nothing is connected."""

    def plan(self, goods: Goods) -> Plan:
        """What is to be done; whether it fits is for `edge-agent install` to say."""
        what = goods.manifest
        made_for = f"{', '.join(what.profiles)} ({goods.size_bytes} bytes)"
        return plan.of(
            goods, self.name, str(self._root), [f"install {what.name} {what.version} for {made_for}"], None, []
        )

    def act(self, planned: Plan, goods: Goods, say: Callable[[str], None]) -> Installed:
        """Install.

        Raises:
            GodwitError: what `edge-agent install` told.
        """
        command = [sys.executable, "-m", "edge_agent", "install", str(goods.bundle)]
        line = [*command, "--root", str(self._root), "--json", *goods.flags]
        ended = subprocess.run(line, capture_output=True, text=True, check=False)
        if ended.returncode == 0:
            return msgspec.json.decode(ended.stdout, type=Installed)
        if told := from_process(ended.returncode, ended.stderr):
            raise told
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        raise GodwitError(Problem(self.name, "an installation", last, "this is a bug in Godwit: please report it"))
