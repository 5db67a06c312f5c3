"""Flash into a device root on this machine, by the `edge-agent` command itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from firmware_profiles.errors import GodwitError, Problem, from_process
from firmware_profiles.installation import Installed


def flash_each(bundle: Path, roots: list[Path], flags: list[str]) -> Iterator[tuple[Path, Installed]]:
    """Install `bundle` into each of `roots`; one that fails does not hold up the next.

    Args:
        flags: go to `edge-agent install` as they are.

    Raises:
        GodwitError: at the end, with everything that failed.
    """
    failed: list[GodwitError] = []
    for root in roots:
        try:
            yield root, _flash(bundle, root, flags)
        except GodwitError as error:
            failed.append(error)
    if failed:
        raise type(failed[0])(*(problem for error in failed for problem in error.problems))


def _flash(bundle: Path, root: Path, flags: list[str]) -> Installed:
    line = [sys.executable, "-m", "edge_agent", "install", str(bundle), "--root", str(root), "--json", *flags]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return msgspec.json.decode(ended.stdout, type=Installed)
    if told := from_process(ended.returncode, ended.stderr):
        raise told
    last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
    raise GodwitError(Problem(f"dir://{root}", "an installation", last, "this is a bug in Godwit: please report it"))
