"""Who may write what: the agent's user reads slots and trust, and changes nothing but its own folders."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.edge_agent.ota.fleet_of_one import Updated, version
from tests.edge_agent.ota.test_bridges_live import bridge, kit
from tests.test_bridges import RAUC

NOBODY = 65534

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(os.getuid() != 0, reason="to be two users, and to mount, one must be root"),
]


@pytest.fixture
def device() -> Iterator[Updated]:
    """Where another user can look into; the agent's folders are that user's."""
    folder = Path(tempfile.mkdtemp(prefix="godwit-rights-"))
    folder.chmod(0o755)
    made = Updated(folder)
    for name in ("var", "run"):
        os.chown(made.root / name, NOBODY, NOBODY)
    yield made
    shutil.rmtree(folder)


def as_agent(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell's script as the agent's user."""
    command = ["sh", "-c", script, "sh", str(root)]
    return subprocess.run(
        command, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True, text=True, check=False, cwd="/"
    )


def test_the_agent_reads_slots_and_trust_and_writes_neither(device: Updated) -> None:
    every = every_path([device.root / name for name in ("slots", "trust", "update")])
    for path in every:
        script = f'touch "{path}/x"' if path.is_dir() else f'echo x >> "{path}"'
        assert as_agent(script, device.root).returncode != 0, path
    for script in ('rm -r "$1/slots/a"', 'ln -sfn b "$1/slots/active"', 'mv "$1/trust" "$1/t"', 'mkdir "$1/slots/b"'):
        assert as_agent(script, device.root).returncode != 0, script
    for path in every:
        if path.is_file() and path.name != "lock":
            assert as_agent(f'cat "{path}" > /dev/null', device.root).returncode == 0, path
    assert as_agent('exec 9< "$1/update/lock"', device.root).returncode != 0  # or it could hold it for ever


def test_the_agent_asks_and_the_updater_takes_the_request_away(device: Updated) -> None:
    assert as_agent('touch "$1/run/request"', device.root).returncode == 0
    device.configure('[update]\nurl = "http://127.0.0.1:9"')
    assert device.says("update").returncode == 4
    assert not (device.root / "run" / "request").exists()


@pytest.mark.parametrize("trap", ["mkfifo", "ln -s /etc/passwd", "ln -s /dev/zero"])
def test_what_the_agent_leaves_for_health_is_not_followed(device: Updated, trap: str) -> None:
    device.repository.add(version(device.folder, "2"))
    assert device.install().returncode == 0
    assert as_agent(f'{trap} "$1/run/health.json"', device.root).returncode == 0
    assert '"on_probation"' in device.says("update", "--json").stdout


def test_no_room_is_found_before_anything_is_fetched(device: Updated) -> None:
    device.repository.add(version(device.folder, "2"))
    done = mounted(device, f"mount -t tmpfs -o size=4m none {device.root}/update/download")
    assert done.returncode == 4
    assert "MB of free space, found 4.2 MB" in done.stderr
    assert device.active() == "1"


def test_a_read_only_root_is_an_error_and_no_more(device: Updated) -> None:
    device.repository.add(version(device.folder, "2"))
    done = mounted(device, f"mount --bind {device.root} {device.root} && mount -o remount,ro,bind {device.root}")
    assert done.returncode == 4
    assert "read-only file system" in done.stderr
    assert device.active() == "1"


def test_what_root_brings_by_a_bridge_belongs_to_whom_the_slots_belong(device: Updated, tmp_path: Path) -> None:
    owned = [device.root / name for name in ("slots", "trust", "update", "agent")]
    owned[3].mkdir()
    for path in every_path(owned):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    given = {"RAUC_SLOT_CLASS": "godwit", "RAUC_IMAGE_NAME": str(kit(device, "2", tmp_path / "kit.tar"))}
    done = bridge(device, RAUC, "slot-install", "godwit.0", **given)
    assert (done.returncode, device.active()) == (0, "2"), done.stderr
    assert device.says("mark-good").returncode == 0
    assert [path for path in every_path(owned) if path.lstat().st_uid != NOBODY] == []
    assert (device.root / "etc").stat().st_uid == 0


def every_path(folders: Sequence[Path]) -> list[Path]:
    return [path for folder in folders for path in (folder, *folder.rglob("*"))]


def mounted(device: Updated, mount: str) -> subprocess.CompletedProcess[str]:
    """Install the repository as a kit, in a mount namespace in which `mount` was run."""
    install = f"{sys.executable} -m edge_agent install {device.repository.folder} --root {device.root}"
    command = ["unshare", "--mount", "sh", "-c", f"{mount} && exec {install}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)
