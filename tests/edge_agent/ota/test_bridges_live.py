"""The bridges with the real `edge-agent install` and an agent that answers meanwhile."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.support import wait_until
from tests.edge_agent.switching import told
from tests.test_bridges import MENDER, RAUC


def kit(device: Updated, number: str, path: Path) -> Path:
    """A newer version, signed, as a tar archive at `path`."""
    device.repository.add(version(device.folder, number))
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        archive.add(device.repository.folder, ".")
    return path


def bridge(device: Updated, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    agent = device.folder / "edge-agent"
    agent.write_text(f'#!/bin/sh\nexec {sys.executable} -m edge_agent "$@"\n')
    agent.chmod(0o755)
    known = {**os.environ, "GODWIT_ROOT": str(device.root), "EDGE_AGENT": str(agent), **environment}
    return subprocess.run(["/bin/sh", *map(str, command)], env=known, capture_output=True, text=True, check=False)


def test_mender_commits_what_proved_itself_and_rauc_hands_over_the_next(tmp_path: Path) -> None:
    device = Updated(tmp_path)
    device.configure("[update]\nprove_minutes = 0\nprove_predictions = 5")
    device.answers_forever()
    files = tmp_path / "mender"
    (files / "tmp").mkdir(parents=True)
    kit(device, "2", files / "files" / "kit.tar")
    with device.running():
        wait_until(lambda: device.status().get("predictions", 0) > 5, "version 1 answers")
        assert bridge(device, MENDER, "ArtifactInstall", files).returncode == 0
        assert bridge(device, MENDER, "ArtifactCommit", files).returncode == 0
        health = told(device)
        assert health is not None
        assert (health.version, health.state) == ("2", "running")
        given = {"RAUC_SLOT_CLASS": "godwit", "RAUC_IMAGE_NAME": str(kit(device, "3", tmp_path / "kit.tar"))}
        done = bridge(device, RAUC, "slot-install", "godwit.0", **given)
        assert (done.returncode, device.active()) == (0, "3")
        wait_until(lambda: device.status()["version"] == "3", "version 3 answers")
    assert [each["version"] for each in device.history()["entries"] if each["event"] == "update_committed"] == [
        "1",
        "2",
    ]
