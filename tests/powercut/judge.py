"""What must hold after a power cut: a whole agent predicts with one whole bundle, and the next update succeeds.

Where nothing was installed yet, there may be none, and then the same installation succeeds when it is done again.
"""

from __future__ import annotations

import hashlib
import json
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge_agent.config import Config
from edge_agent.deployment import read_slot
from edge_agent.layout import Root, existing
from edge_agent.ota import kinds
from edge_agent.ota.journal import Slot
from edge_agent.pipeline import choose
from firmware_profiles.agent_code import DESCRIPTION
from firmware_profiles.manifest import MANIFEST_NAME
from tests.edge_agent.support import images, wait_until
from tests.edge_agent.wheels import launch
from tests.powercut import trace
from tests.powercut.material import Material, configure
from tests.powercut.paths import Path as Way
from tests.powercut.paths import What
from tests.powercut.sessions import Session

_MOST_RUNS = 3
"""Of the updater until the newest version runs: it may have to end first what was cut."""


class BrickedError(Exception):
    """What a cut must never leave."""


def judge(material: Material, device: Path, what: What, real: bool = False) -> None:
    """Judge what a cut in an update of `what` left in the root `device`.

    Args:
        real: by an agent that the launcher starts, and not by what a worker does at first.

    Raises:
        BrickedError: it does not hold.
    """
    if what == "first":
        _installs(material, device, real)
    every = {"0", "1", "2"}
    untouched: set[str] = {"1"} if real else set()  # no cut comes near it, so the sample is enough
    before, codes = {"agent": ({"1"}, every), "deployment": (every, untouched), "first": (every, set[str]())}[what]
    _predicts(material, device, before, codes, real)
    goal = Session(material, device, Way("found", {}, "agent" if what == "agent" else "deployment"), "3", real)
    for _ in range(_MOST_RUNS):
        code = trace.run(goal.run)
        if (_code(device) if what == "agent" else _version(material, device)) == "3":
            break
    else:
        raise BrickedError(f"the next update did not succeed (exit code {code})")
    _predicts(material, device, *((before, {"3"}) if what == "agent" else ({"3"}, codes)), real)
    state = (device / "update" / "journal.json").read_bytes()
    if b'"state":"idle"' not in state and b'"state"' in state:
        raise BrickedError(f"the next update did not end: {state[:80]!r}")
    for folder in ("slots", "trust", "update", "agent"):
        for left in (device / folder).glob(".*"):
            raise BrickedError(f"{left.relative_to(device)} stays for ever")


def _installs(material: Material, device: Path, real: bool) -> None:
    """What is there predicts, if anything is; and the installation succeeds when it is done again."""
    if (device / "slots" / "active").is_symlink():
        _predicts(material, device, {"2"}, set(), real=False)  # it may have no configuration yet
    if code := trace.run(Session(material, device, Way("found", {}, "first"), "2", real).run):
        raise BrickedError(f"the installation did not succeed the second time (exit code {code})")
    configure(device)


def _launches(device: Path, versions: set[str]) -> None:
    """The launcher starts an agent, every module of which is of the same version."""
    with launch(Root(device), stdout=subprocess.PIPE) as process:
        said, told = process.communicate()
    found = set(said.split())
    if len(found) != 1 or not found <= versions:
        raise BrickedError(f"the launcher started {said!r}, not one of {sorted(versions)}: {told[-300:]}")


def _code(device: Path) -> str | None:
    """The version of the agent's code that has proved itself; None for none."""
    try:
        found: str = json.loads((device / "agent" / "proven" / DESCRIPTION).read_bytes())["version"]
    except (OSError, ValueError):
        return None
    return found


def _version(material: Material, device: Path) -> str | None:
    """The version in the active slot; None where that is none that was ever made."""
    try:
        manifest = (device / "slots" / "active" / MANIFEST_NAME).read_bytes()
    except OSError:
        return None
    return material.manifests.get(hashlib.sha256(manifest).hexdigest())


def _predicts(material: Material, device: Path, versions: set[str], codes: set[str], real: bool) -> None:
    """It runs one of these versions of its deployment, and the launcher starts one of `codes`, if there are any."""
    version = _version(material, device)
    if version not in versions:
        raise BrickedError(f"slot active holds {version}, not one of {sorted(versions)}")
    if closed := [
        path for path in (device / "slots" / "active").resolve().rglob("*") if not path.stat().st_mode & stat.S_IROTH
    ]:
        raise BrickedError(f"no agent of another user can read {closed[0].relative_to(device)}")
    if real:
        _runs(device, codes)
        return
    if code := trace.run(lambda: _answer(device)):
        raise BrickedError(f"version {version} does not predict (exit code {code})")
    if codes:
        _launches(device, codes)


def _answer(device: Path) -> None:
    """What a worker does before its first answer, and that answer."""
    deployment = read_slot(existing(device).active)
    deployment.verify()
    for model in deployment.manifest.models:
        result, outputs = choose(deployment, model).pipeline.answer(images(1)[0])
        assert result is not None
        assert np.isfinite(outputs[0]).all()


def _runs(device: Path, codes: set[str]) -> None:
    """A real agent answers a real input."""
    data = device / "var" / "inputs.npz"
    np.savez(data, x=images(3))
    config = device / "etc" / "agent.toml"
    if 'name = "replay"' not in config.read_text(encoding="utf-8"):
        with config.open("a", encoding="utf-8") as stream:
            stream.write(f'\n[[source]]\nname = "replay"\nkind = "replay"\npath = "{data}"\n')
    (device / "var" / "spool.db").unlink(missing_ok=True)
    status, health = (device / "run" / name for name in ("status.json", "health.json"))
    agent = _start(device)
    try:
        wait_until(lambda: status.exists() and b'"predictions":3' in status.read_bytes(), "three predictions")
        wait_until(health.exists, "the agent's health")
        _is_whole(device, json.loads(health.read_bytes())["agent_slot"], codes)
    except AssertionError as error:
        raise BrickedError(str(error)) from None
    finally:
        agent.terminate()
        agent.communicate()
        for path in (status, health):
            path.unlink(missing_ok=True)


def _start(device: Path) -> subprocess.Popen[str]:
    """As the device's service does: by the launcher, or the agent itself where none was installed."""
    if (device / "agent" / "active").is_symlink():
        return launch(Root(device))
    command = [sys.executable, "-m", "edge_agent", "run", "--root", str(device)]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, text=True)


def _is_whole(device: Path, slot: Slot, versions: set[str]) -> None:
    """The slot from which the agent says that it runs holds one of these versions, whole; none where there are none."""
    of = kinds.AgentCodes(Root(device), Config("d1"))
    named = of.named(slot) if slot else None
    if versions and (named is None or named.version not in versions or not of.is_whole(slot)):
        raise BrickedError(f"the agent runs from slot {slot or '-'} ({named}), not from one of {sorted(versions)}")
