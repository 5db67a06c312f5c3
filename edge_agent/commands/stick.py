"""`edge-agent stick`: what somebody brought to this device on a stick is installed, and the stick says how it went.

On the stick: `godwit/` is a kit, the same for every device; `godwit-outcome/DEVICE.json` is the outcome, one a device,
for whoever takes the stick home.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from datetime import datetime

import msgspec

from edge_agent import clock, config
from edge_agent.layout import existing
from firmware_profiles import VERSION, atomic
from firmware_profiles.errors import GodwitError, Problem, UnavailableError, from_process
from firmware_profiles.installation import Installed

_KIT, _OUTCOMES = "godwit", "godwit-outcome"


class Outcome(msgspec.Struct, frozen=True):
    """How an installation from a stick went.

    Attributes:
        exit_code: of `edge-agent install`.
        installed: None where it failed.
        problems: why, one line each.
    """

    device: str
    time: datetime
    clock_trusted: bool
    agent: str
    exit_code: int
    installed: Installed | None
    problems: list[str]


def main(arguments: argparse.Namespace) -> int:
    """Install, write the outcome onto the stick, and print it; the exit code is that of the installation."""
    root = existing(arguments.root)
    device = config.load(root.config).device
    line = [sys.executable, "-m", "edge_agent", "install", str(arguments.stick / _KIT), "--root", str(root.folder)]
    ended = subprocess.run([*line, "--json"], capture_output=True, text=True, check=False)
    outcome = _outcome(device, ended)
    try:
        folder = arguments.stick / _OUTCOMES
        folder.mkdir(exist_ok=True)
        atomic.write_bytes(folder / f"{device}.json", msgspec.json.format(msgspec.json.encode(outcome)) + b"\n")
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(str(arguments.stick), "a stick to write to", found, "unlock it")) from None
    print(msgspec.json.encode(outcome).decode() if arguments.json else _for_people(outcome))
    return ended.returncode


def _outcome(device: str, ended: subprocess.CompletedProcess[str]) -> Outcome:
    installed, problems = None, []
    if ended.returncode == 0:
        installed = msgspec.json.decode(ended.stdout, type=Installed)
    else:
        last = (ended.stderr.strip().splitlines() or [f"exit status {ended.returncode}"])[-1]
        unforeseen = GodwitError(Problem("edge-agent install", "an installation", last, "report this"))
        problems = str(from_process(ended.returncode, ended.stderr) or unforeseen).splitlines()
    now = clock.moment()
    return Outcome(device, now.time, now.clock_trusted, VERSION, ended.returncode, installed, problems)


def _for_people(outcome: Outcome) -> str:
    if outcome.installed:
        what = "is now active" if outcome.installed.changed else "was active already"
        return f"{outcome.installed.deployment} {outcome.installed.version} {what} on {outcome.device}"
    return "\n".join(outcome.problems)
