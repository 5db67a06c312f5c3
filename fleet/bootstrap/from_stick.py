"""`sudo python3 /media/stick/godwit-bootstrap.pyz`: what a stick brings, on a device that has no agent, or an old one.

A person types it; from then on the device takes a stick by itself, if it is signed. What is not known here goes on
to `edge-agent install`, as in `--device-id door-7 --broker mqtt://192.168.1.2`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from fleet.bootstrap import install, probe
from fleet.bootstrap.agent_code import RefusedError

KIT, AGENTS, TRUST_ROOT = "godwit", "godwit-agent", "root.json"
ROOT = Path("/var/lib/godwit")


def main(stick: Path, words: list[str]) -> int:
    """The exit code of `edge-agent install`."""
    parser = argparse.ArgumentParser(prog="godwit-bootstrap.pyz", description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, metavar="DIR", help="another one is not run as a service")
    given, flags = parser.parse_known_args(words)
    try:
        code = agent_for_here(stick / AGENTS)
    except RefusedError as error:
        return install.told(*error.args)
    service = given.root == ROOT and Path("/run/systemd/system").is_dir()
    brought = {"kit": str(stick / KIT), "trust_root": str(stick / AGENTS / TRUST_ROOT)}
    with tempfile.TemporaryDirectory(prefix="godwit-") as folder:
        (Path(folder) / "agent").symlink_to(code)
        order = {"root": str(given.root.absolute()), "service": service, **brought, "install": flags}
        (Path(folder) / "order.json").write_text(json.dumps(order), encoding="utf-8")
        return install.main(Path(folder))


def agent_for_here(agents: Path) -> Path:
    """The wheels for this Python and this userland."""
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}-{probe.arch()}"
    if not (agents / tag).is_dir():
        found = ", ".join(sorted(path.name for path in agents.glob("cp*"))) or "none"
        step = "flash this device over ssh or serial, which ask what it is"
        raise RefusedError(str(agents), f"the agent for {tag}", found, step)
    return (agents / tag).absolute()
