"""The agent as a service, where this process is root and systemd runs: by `edge-agent service` itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fleet.bootstrap.agent_code import RefusedError

PROGRAM = Path("/usr/local/bin/edge-agent")
OWNERS = Path("/etc/tmpfiles.d/godwit.conf")
_SCRIPT = """\
#!/bin/sh
# `edge-agent`, as the active slot has it. What runs for long is started by the launcher, which can start the other one.
if [ "$1" = run ]; then
    exec {python} -I -S {root}/agent/launcher.py {root}
fi
PYTHONPATH={root}/agent/active PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 exec {python} -m edge_agent "$@"
"""


def set_up(root: Path) -> None:
    """Put the program `edge-agent` in place, and have it make its service; what it all belongs to is put right."""
    making = PROGRAM.with_name(f".{PROGRAM.name}.tmp")
    making.write_text(_SCRIPT.format(python=sys.executable, root=root), encoding="utf-8")
    making.chmod(0o755)
    os.replace(making, PROGRAM)
    _run(str(PROGRAM), "service", "--root", str(root), "--json")
    _run("systemd-tmpfiles", "--create", str(OWNERS))


def _run(*line: str) -> None:
    ran = subprocess.run(line, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        found = (ran.stderr.strip().splitlines() or ["no word"])[-1]
        raise RefusedError(" ".join(line), "a service", found, "type there: edge-agent doctor")
