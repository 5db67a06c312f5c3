"""Users, folders and systemd units, where this process is root and systemd runs."""

from __future__ import annotations

import os
import shutil
import subprocess

from bootstrap.agent_code import RefusedError

UNITS = "/etc/systemd/system"


def set_up(root: str, units: str) -> None:
    """Put the unit files in place, as they are, and start the agent by them."""
    changed = [name for name in sorted(os.listdir(units)) if _put(os.path.join(units, name), os.path.join(UNITS, name))]
    if changed:
        _systemctl("daemon-reload")
    for name in sorted(os.listdir(units)):
        if "[Install]" in _text(os.path.join(units, name)):
            _systemctl("enable", "--now", name)


def _put(source: str, place: str) -> bool:
    """Whether it was another one before."""
    if _text(source) == _text(place):
        return False
    shutil.copyfile(source, f"{place}.tmp")
    os.replace(f"{place}.tmp", place)
    return True


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError:
        return ""


def _systemctl(*words: str) -> None:
    ran = subprocess.run(["systemctl", *words], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        found = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise RefusedError(f"systemctl {' '.join(words)}", "success", found, "type: journalctl -u edge-agent")
