"""What must hold after a power cut: the agent predicts with one whole bundle, and the next update succeeds."""

from __future__ import annotations

import hashlib
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np

from edge_agent.deployment import read_slot
from edge_agent.layout import existing
from edge_agent.pipeline import choose
from firmware_profiles.manifest import MANIFEST_NAME
from tests.edge_agent.support import images, wait_until
from tests.powercut import trace
from tests.powercut.material import Material
from tests.powercut.paths import Path as Way
from tests.powercut.sessions import Session

_MOST_RUNS = 3
"""Of the updater until the newest version runs: it may have to end first what was cut."""


class BrickedError(Exception):
    """What a cut must never leave."""


def judge(material: Material, device: Path, real: bool = False) -> None:
    """Judge what a cut left in the root `device`.

    Args:
        real: by an agent process, and not by what its worker does at first.

    Raises:
        BrickedError: it does not hold.
    """
    _predicts(material, device, {"1", "2", "0"}, real)
    goal = Session(material, device, Way("found", {}), "3", real)
    for _ in range(_MOST_RUNS):
        code = trace.run(goal.run)
        if _version(material, device) == "3":
            break
    else:
        raise BrickedError(f"the next update did not succeed (exit code {code})")
    _predicts(material, device, {"3"}, real)
    state = (device / "update" / "journal.json").read_bytes()
    if b'"state":"idle"' not in state and b'"state"' in state:
        raise BrickedError(f"the next update did not end: {state[:80]!r}")


def _version(material: Material, device: Path) -> str | None:
    """The version in the active slot; None where that is none that was ever made."""
    try:
        manifest = (device / "slots" / "active" / MANIFEST_NAME).read_bytes()
    except OSError:
        return None
    return material.manifests.get(hashlib.sha256(manifest).hexdigest())


def _predicts(material: Material, device: Path, versions: set[str], real: bool) -> None:
    version = _version(material, device)
    if version not in versions:
        raise BrickedError(f"slot active holds {version}, not one of {sorted(versions)}")
    if closed := [
        path for path in (device / "slots" / "active").resolve().rglob("*") if not path.stat().st_mode & stat.S_IROTH
    ]:
        raise BrickedError(f"no agent of another user can read {closed[0].relative_to(device)}")
    if real:
        _runs(device)
    elif code := trace.run(lambda: _answer(device)):
        raise BrickedError(f"version {version} does not predict (exit code {code})")


def _answer(device: Path) -> None:
    """What a worker does before its first answer, and that answer."""
    deployment = read_slot(existing(device).active)
    deployment.verify()
    for model in deployment.manifest.models:
        result, outputs = choose(deployment, model).pipeline.answer(images(1)[0])
        assert result is not None
        assert np.isfinite(outputs[0]).all()


def _runs(device: Path) -> None:
    """A real agent answers a real input."""
    data = device / "var" / "inputs.npz"
    np.savez(data, x=images(3))
    config = device / "etc" / "agent.toml"
    if 'name = "replay"' not in config.read_text(encoding="utf-8"):
        with config.open("a", encoding="utf-8") as stream:
            stream.write(f'\n[[source]]\nname = "replay"\nkind = "replay"\npath = "{data}"\n')
    (device / "var" / "spool.db").unlink(missing_ok=True)
    command = [sys.executable, "-m", "edge_agent", "run", "--root", str(device)]
    agent = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        status = device / "run" / "status.json"
        wait_until(lambda: status.exists() and b'"predictions":3' in status.read_bytes(), "three predictions")
    except AssertionError as error:
        raise BrickedError(str(error)) from None
    finally:
        agent.terminate()
        agent.wait()
        status.unlink(missing_ok=True)
