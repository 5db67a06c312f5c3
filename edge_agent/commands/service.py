"""`edge-agent service`: the agent as a hardened systemd service of this device, with updates and sticks beside it.

The units are those of `deploy/systemd`; only paths, and the drop-in made from the device's profile, differ.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from edge_agent import unit
from edge_agent.deployment import read_slot
from edge_agent.layout import Root, existing
from firmware_profiles import atomic, profile
from firmware_profiles.errors import InputError, Problem, UnavailableError

_ROOT, _PROGRAM = "/var/lib/godwit", "/usr/local/bin/edge-agent"  # as they stand in the files
_ETC = Path("/etc")
_ELSEWHERE = {"sysusers.conf": "sysusers.d/godwit.conf", "tmpfiles.conf": "tmpfiles.d/godwit.conf"}
_DROP_IN = "systemd/system/{}.d/godwit.conf"
_ENABLED = (
    "edge-agent.service",
    "edge-agent-boot.service",
    "edge-agent-update.timer",
    "edge-agent-update.path",
    "media-godwit.mount",
    "edge-agent-stick.service",
)
_STARTED = ("edge-agent.service", "edge-agent-update.timer", "edge-agent-update.path")
_PLAIN = re.compile(r"/[A-Za-z0-9/._-]+")


class Served(msgspec.Struct, frozen=True):
    """What `--json` prints.

    Attributes:
        granted: kinds of device.
        written: files that are new or different.
    """

    profile: str
    granted: list[str]
    written: list[str]


def main(arguments: argparse.Namespace) -> int:
    """Write what is missing or different, then start what does not run; run twice it changes nothing."""
    root = existing(arguments.root)
    of = profile.load(arguments.profile or read_slot(root.active).manifest.profiles[0])
    drop_ins = {"edge-agent.service": unit.drop_in(of, arguments.grant)}
    drop_ins |= dict.fromkeys(unit.UPDATERS, unit.updater_drop_in(of, arguments.grant))
    wanted = _files(root, _program(arguments.program), drop_ins)
    different = {path: text for path, text in wanted.items() if not path.is_file() or path.read_text() != text}
    done = Served(of.name, [grant for grant in unit.GRANTS if grant in arguments.grant], list(map(str, different)))
    if not arguments.dry_run:
        _check_rights()
        for path, text in different.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_bytes(path, text.encode())
        _take_effect(anew=bool(different))
    print(msgspec.json.encode(done).decode() if arguments.json else _for_people(done, dry=arguments.dry_run))
    return 0


def _program(given: Path | None) -> Path:
    """What the units start.

    Raises:
        InputError: it is not there.
    """
    called = Path(sys.argv[0]).absolute()
    program = given or (called if called.name == "edge-agent" else Path(_PROGRAM))
    if not os.access(program, os.X_OK) or not _PLAIN.fullmatch(str(program)):
        step = f"link it there, or name it: --program {shutil.which('edge-agent') or 'PATH'}"
        raise InputError(Problem("--program", "the program edge-agent", f"none at {program}", step))
    return program


def _files(root: Root, program: Path, drop_ins: Mapping[str, str]) -> dict[Path, str]:
    """Path → content of everything that systemd reads; `drop_ins` by unit."""
    if not _PLAIN.fullmatch(str(root.folder)):
        step = "use letters, digits, dots, dashes and underscores"
        raise InputError(Problem("--root", "a path that needs no quotes in a unit", repr(str(root.folder)), step))
    files = {}
    for source in sorted(unit.FOLDER.iterdir()):
        text = source.read_text(encoding="utf-8").replace(_ROOT, str(root.folder)).replace(_PROGRAM, str(program))
        files[_ETC / _ELSEWHERE.get(source.name, f"systemd/system/{source.name}")] = text
    return files | {_ETC / _DROP_IN.format(name): text for name, text in drop_ins.items()}


def _check_rights() -> None:
    problems = []
    if os.geteuid() != 0:
        problems.append(
            Problem("edge-agent service", "the right to write to /etc", "another user than root", "use sudo")
        )
    if not Path("/run/systemd/system").is_dir():
        step = "start edge-agent run by what starts programs here, or see docs/howto/container.md"
        problems.append(Problem("this system", "systemd as its init", "another one", step))
    if problems:
        raise UnavailableError(*problems)


def _take_effect(*, anew: bool) -> None:
    if anew:
        for kind in _ELSEWHERE.values():
            tool = "systemd-sysusers" if kind.startswith("sysusers") else "systemd-tmpfiles"
            _run(tool, *(["--create"] if tool == "systemd-tmpfiles" else []), str(_ETC / kind))
        _run("systemctl", "daemon-reload")
        _run("systemctl", "enable", *_ENABLED)
        _run("systemctl", "restart", *_STARTED)
    else:
        _run("systemctl", "start", *_STARTED)


def _run(*line: str) -> None:
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[0]
        step = "see systemctl status edge-agent, and edge-agent doctor"
        raise UnavailableError(Problem(" ".join(line), "it to succeed", last, step))


def _for_people(done: Served, *, dry: bool) -> str:
    granted = ", ".join(done.granted) or "no device"
    verb = "would write" if dry else "wrote"
    lines = [f"{verb} {path}" for path in done.written] or ["everything was there already"]
    return "\n".join([*lines, f"edge-agent is a service for {done.profile}; granted: {granted}"])
