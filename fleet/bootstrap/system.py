"""Users, folders and systemd units, where this process is root and systemd runs."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from fleet.bootstrap.agent_code import RefusedError

UNITS = Path("/etc/systemd/system")


def set_up(units: Path) -> None:
    """Put the unit files in place, as they are, and start the agent by them."""
    files = sorted(units.iterdir())
    changed = [file for file in files if _put(file, UNITS / file.name)]
    if changed:
        _systemctl("daemon-reload")
    for file in files:
        if "[Install]" in file.read_text(encoding="utf-8"):
            _systemctl("enable", "--now", file.name)


def _put(source: Path, place: Path) -> bool:
    """Whether it was another one before."""
    if place.exists() and source.read_bytes() == place.read_bytes():
        return False
    making = place.with_name(f".{place.name}.tmp")
    shutil.copyfile(source, making)
    os.replace(making, place)
    return True


def _systemctl(*words: str) -> None:
    ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)  # noqa: S607  # its PATH
    if ran.returncode != 0:
        found = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise RefusedError(f"systemctl {' '.join(words)}", "success", found, "type: journalctl -u edge-agent")
