"""`godwit flash serial://` to a bare device behind a console: the agent comes along, over the same line."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from edge_agent import renewing
from edge_agent.layout import Root
from firmware_profiles import profile
from tests.edge_agent.support import null_bundle
from tests.fleet.authorities import godwit as ca
from tests.fleet.conftest import Flash
from tests.fleet.serial_lines import cook, ended, on_port
from tools.pty_relay import Relay

PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"
PTY_BAUD = 38_400
FAST_BYTES_S = 20_000_000  # numpy comes along
BARE = ["env", "PATH=/usr/bin:/bin", "sh", "-i"]


@pytest.mark.system  # the device's Python is the system's
def test_a_bare_device_behind_a_console(tmp_path: Path, flash: Flash) -> None:
    root = tmp_path / "root"
    ca("init", tmp_path / "ca", "--no-passphrase")
    with Relay(tmp_path, FAST_BYTES_S) as relay:
        cook(relay.device.path)
        target = f"serial://{relay.host.path}?baud={PTY_BAUD}&root={root}"
        bundle = null_bundle(tmp_path / "tiny.godwit", profiles=[PROFILE])
        with ended(on_port(BARE, relay.device.path)):
            words = (bundle, target, "--device-id", "door-7", "--ca", tmp_path / "ca", "--json")
            first, again = (flash(*words) for _ in range(2))
    assert first.returncode == 0, first.stderr
    installed = json.loads(first.stdout)
    assert (installed["deployment"], installed["device"], installed["changed"]) == ("tiny", "door-7", True)
    assert json.loads(again.stdout)["changed"] is False, again.stderr
    held = renewing.present(Root(root))
    assert held is not None
    assert held.device == "door-7"
    ran = subprocess.run(
        ["/usr/bin/python3", "-S", "-m", "edge_agent", "selftest", str(bundle)],
        env={"PYTHONPATH": str(root / "agent" / "active")},
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
