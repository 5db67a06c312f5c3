"""A machine with the program edge-agent, and what tests ask of the service on it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from edge_agent.layout import Root
from tests.edge_agent.support import images, wait_until
from tests.system import userland
from tests.system.booted import Booted, Machine

ROOT, UNIT = "/var/lib/godwit", "edge-agent.service"
PROFILE = "raspberry-pi-5"


def prepared(folder: Path) -> Machine:
    """A Debian 13 below `folder`, with everything that the agent of these tests needs; it is not booted yet."""
    userland.want(systemd_nspawn="systemd-container", nsenter="util-linux")
    base = userland.make("trixie", "amd64", "dbus", "systemd-sysv")
    tree = folder / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", base, tree], check=True)
    userland.install(tree, "amd64", ".[agent-litert,agent-identity,agent-update]")
    return Machine(tree, folder / "console.log")


def device_root(machine: Machine) -> Root:
    """The device root, seen from outside."""
    return Root(machine.tree / ROOT[1:])


def agent(machine: Booted, *line: str) -> str:
    """The answer of an `edge-agent` that succeeds."""
    return machine.run(userland.PROGRAM, *line, check=True).stdout


def status(machine: Booted) -> Any:
    """What the running agent says."""
    done = machine.run(userland.PROGRAM, "status", "--root", ROOT, "--json")
    return json.loads(done.stdout) if done.returncode == 0 else {"state": done.stderr}


def runs(machine: Booted, version: str = "") -> None:
    """Wait until it answers, with that version if one is named."""

    def does() -> bool:
        told = status(machine)
        return told["state"] == "running" and (not version or told["version"] == version)

    wait_until(does, f"a running agent {version}", 90)


def picture(machine: Machine, name: str) -> None:
    """A picture arrives in the folder that the agent watches."""
    folder = device_root(machine).folder / "pictures"
    np.save(folder / f".{name}", images(1)[0])
    (folder / f".{name}.npy").rename(folder / f"{name}.npy")


def hangs(machine: Machine) -> str:
    """Ask the loop of `tiny-loop.tflite` for what never ends; the status of the answer.

    It ends when its sum is 100; adding 1 to such numbers changes nothing.
    """
    tensor = {"name": "image", "shape": [1, 6, 6, 1], "datatype": "FP32", "data": [-1e30] * 36}
    url = "http://127.0.0.1:8000/v2/models/tiny/infer"
    asking = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url, "-d", json.dumps({"inputs": [tensor]})]
    return subprocess.run([*machine.beside(), *asking], capture_output=True, text=True, check=False).stdout
