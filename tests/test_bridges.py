"""The bridges to Mender and RAUC, called as these call them, with an `edge-agent` that writes down what it is told."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parent.parent / "deploy"
MENDER = DEPLOY / "mender" / "godwit-kit"
RAUC = DEPLOY / "rauc" / "godwit-kit.sh"
FAKE = """#!/bin/sh
echo "$@" >> "$GODWIT_ROOT/calls"
case $1 in
    install) test -f "$2/metadata/1.root.json" && ln -sfn b "$GODWIT_ROOT/slots/active" ;;
    *) exit "$(cat "$GODWIT_ROOT/code")" ;;
esac
"""


class Bridge:
    """A device root, a kit as a tar archive, and the folder that Mender gives to a module."""

    def __init__(self, folder: Path) -> None:
        self.root, self.files = folder / "root dir", folder / "mender files"
        (self.root / "slots").mkdir(parents=True)
        (self.root / "slots" / "active").symlink_to("a")
        (self.root / "code").write_text("0")
        (self.root / "calls").touch()
        self.agent = self.root / "edge-agent"
        self.agent.write_text(FAKE)
        self.agent.chmod(0o755)
        for name in ("files", "tmp", "header"):
            (self.files / name).mkdir(parents=True)
        kit = folder / "kit" / "metadata"
        kit.mkdir(parents=True)
        (kit / "1.root.json").write_text("{}")
        self.tar = self.files / "files" / "kit.tar"
        with tarfile.open(self.tar, "w") as archive:
            archive.add(kit.parent, ".")

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        told = {"GODWIT_ROOT": str(self.root), "EDGE_AGENT": str(self.agent), "PATH": "/usr/bin:/bin"}
        line = ["/bin/sh", *map(str, command)]
        return subprocess.run(line, env=told | environment, capture_output=True, text=True, check=False, cwd=self.files)

    def mender(self, state: str) -> subprocess.CompletedProcess[str]:
        """One state, as the protocol has it: the state, and the path of the file tree."""
        return self.run(MENDER, state, self.files)

    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture
def bridge(tmp_path: Path) -> Bridge:
    return Bridge(tmp_path)


def test_mender_asks_and_is_answered(bridge: Bridge) -> None:
    assert bridge.run(MENDER, "SupportsRollback").stdout == "Yes\n"
    assert bridge.run(MENDER, "NeedsArtifactReboot").stdout == "No\n"
    for state in ("Download", "ArtifactFailure", "Cleanup", "SupportsAugmentedArtifacts", "SomethingOfTomorrow"):
        done = bridge.mender(state)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert bridge.calls() == []


def test_mender_hands_the_kit_over_and_waits_for_the_proof(bridge: Bridge) -> None:
    assert bridge.mender("ArtifactInstall").returncode == 0
    assert bridge.mender("ArtifactCommit").returncode == 0
    kit = bridge.files / "tmp" / "kit"
    assert bridge.calls() == [f"install {kit} --root {bridge.root}", f"update --root {bridge.root}"]


def test_mender_rolls_back_only_what_it_installed(bridge: Bridge) -> None:
    assert bridge.mender("ArtifactRollback").returncode == 0
    assert bridge.calls() == []
    assert bridge.mender("ArtifactInstall").returncode == 0
    (bridge.root / "code").write_text("5")
    assert bridge.mender("ArtifactCommit").returncode == 5
    (bridge.root / "code").write_text("0")
    assert bridge.mender("ArtifactRollback").returncode == 0
    assert bridge.calls()[2:] == [f"rollback --root {bridge.root}"]


def test_mender_does_not_roll_back_a_device_that_went_back_by_itself(bridge: Bridge) -> None:
    assert bridge.mender("ArtifactInstall").returncode == 0
    (bridge.root / "slots" / "active").unlink()
    (bridge.root / "slots" / "active").symlink_to("a")
    assert bridge.mender("ArtifactRollback").returncode == 0
    assert len(bridge.calls()) == 1


@pytest.mark.parametrize("fault", ["none", "two", "no archive", "another archive"])
def test_mender_is_told_of_a_payload_that_is_no_kit(bridge: Bridge, fault: str) -> None:
    if fault == "none":
        bridge.tar.unlink()
    elif fault == "two":
        (bridge.files / "files" / "more").touch()
    elif fault == "no archive":
        bridge.tar.write_bytes(b"no archive")
    else:
        with tarfile.open(bridge.tar, "w"):
            pass
    assert bridge.mender("ArtifactInstall").returncode != 0
    assert bridge.mender("ArtifactRollback").returncode == 0
    assert [call for call in bridge.calls() if not call.startswith("install")] == []


def test_rauc_hands_the_kit_over_and_leaves_nothing_behind(bridge: Bridge, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    told = {"RAUC_SLOT_CLASS": "godwit", "RAUC_IMAGE_NAME": str(bridge.tar), "TMPDIR": str(temporary)}
    done = bridge.run(RAUC, "slot-install", "godwit.0", **told)
    assert (done.returncode, done.stderr) == (0, "")
    (call,) = bridge.calls()
    assert call.startswith(f"install {temporary}/")
    assert call.endswith(f" --root {bridge.root}")
    assert list(temporary.iterdir()) == []


def test_rauc_is_told_of_a_hook_that_is_not_ours(bridge: Bridge) -> None:
    for hook, slot in (("slot-install", "rootfs"), ("slot-post-install", "godwit")):
        done = bridge.run(RAUC, hook, f"{slot}.0", RAUC_SLOT_CLASS=slot, RAUC_IMAGE_NAME=str(bridge.tar))
        assert done.returncode == 2
        assert "mend the manifest" in done.stderr
    assert bridge.calls() == []
