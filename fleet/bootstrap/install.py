"""Bring about `edge-agent install` on this device, and a service that runs what it installed.

Argument: the folder that was received, with `order.json`. What `edge-agent install --json` prints goes to stdout. If
anything fails, the device is as it was; if the new code of an agent that runs does not live, its old one is back.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fleet.bootstrap import agent_code, system, trial
from fleet.bootstrap.agent_code import RefusedError

_UNAVAILABLE = 4


def main(folder: Path) -> int:
    """Do what `order.json` says; the exit code of `edge-agent install`."""
    order: dict[str, Any] = json.loads((folder / "order.json").read_text(encoding="utf-8"))
    root = Path(order["root"])
    fresh = not root.exists()
    try:
        code = _install(folder, root, order)
    except RefusedError as error:
        code = told(*error.args)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        code = told(error.filename or root, "a place to write to", found, "check its rights and its free space")
    if code != 0 and fresh:
        shutil.rmtree(root, ignore_errors=True)
    return code


def told(where: object, expected: str, found: str, step: str) -> int:
    """An error, on one line as Godwit's are; its exit code."""
    print(f"error: {where}: expected {expected}, found {found}; {step}", file=sys.stderr)
    return _UNAVAILABLE


def _install(folder: Path, root: Path, order: dict[str, Any]) -> int:
    root.mkdir(parents=True, exist_ok=True)
    brought = folder / "agent"
    slot = agent_code.prepare(root, brought) if brought.exists() else None
    code = _run(folder, root, order, slot)
    if code != 0:
        if slot:
            shutil.rmtree(slot, ignore_errors=True)
        return code
    if slot is None:
        if order["service"]:
            system.set_up(root)
        return 0
    first = not agent_code.named(root, "proven")
    with trial.watched(root, slot, runs=order["service"], first=first):
        agent_code.activate(slot)
        if first:
            agent_code.prove(slot)
        if order["service"]:
            system.set_up(root)
    return 0


def _run(folder: Path, root: Path, order: dict[str, Any], slot: Path | None) -> int:
    code = slot or root / "agent" / "active"
    line = [sys.executable, "-m", "edge_agent", "install", *order["install"], "--root", str(root), "--json"]
    environment = agent_code.environment(code)
    ran = subprocess.run(line, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False)
    return ran.returncode
