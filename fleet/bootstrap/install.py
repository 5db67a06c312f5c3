"""Bring about `edge-agent install` on this device, and a service that runs what it installed.

Argument: the folder that was received, with `order.json`. What `edge-agent install --json` prints goes to stdout. If
anything fails, the device is as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

from bootstrap import agent_code, system
from bootstrap.agent_code import RefusedError

_UNAVAILABLE = 4


def main(folder: str) -> int:
    """Do what `order.json` says; the exit code of `edge-agent install`."""
    with open(os.path.join(folder, "order.json"), encoding="utf-8") as stream:
        order: dict[str, Any] = json.load(stream)
    root = order["root"]
    fresh = not os.path.lexists(root)
    try:
        code = _install(folder, root, order)
    except RefusedError as error:
        where, expected, found, step = error.args
        print(f"error: {where}: expected {expected}, found {found}; {step}", file=sys.stderr)
        code = _UNAVAILABLE
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "check its rights and its free space"
        print(f"error: {error.filename or root}: expected a place to write to, found {found}; {step}", file=sys.stderr)
        code = _UNAVAILABLE
    if code != 0 and fresh:
        shutil.rmtree(root, ignore_errors=True)
    return code


def _install(folder: str, root: str, order: dict[str, Any]) -> int:
    os.makedirs(root, exist_ok=True)
    slot = ""
    if order["agent"]:
        wheels = os.path.join(folder, "agent")
        slot = agent_code.prepare(root, [f"{wheels}/{name}" for name in sorted(os.listdir(wheels))], order["agent"])
    code = _run(folder, root, order, slot or agent_code.active(root))
    if code != 0:
        if slot:
            shutil.rmtree(os.path.join(root, "agent", slot), ignore_errors=True)
        return code
    if slot:
        agent_code.activate(root, slot)
    if order["service"]:
        system.set_up(root, os.path.join(folder, "systemd"))
    return 0


def _run(folder: str, root: str, order: dict[str, Any], slot: str) -> int:
    if not slot:
        raise RefusedError(root, "the agent's code, here or in the kit", "neither", "flash it again")
    environment = agent_code.environment(os.path.join(root, "agent", slot))
    line = [sys.executable, "-m", "edge_agent", "install", *order["install"], "--root", root, "--json", *order["flags"]]
    return subprocess.run(line, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
