"""The systemd units: how exposed they are by systemd's own measure, and what `edge-agent service` would write."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from edge_agent import unit
from edge_agent.ota.proof import START_MS
from edge_agent.unit import GRANTS, Grant
from edge_agent.update_config import Update
from firmware_profiles import profile
from firmware_profiles.errors import UnavailableError
from tests.edge_agent.support import Device, agent, null_bundle
from tools import unpacked

BASE, WITH_DEVICES = 1.5, 1.8
SERVICES = sorted(path.name for path in unit.FOLDER.glob("*.service"))
PROFILES = [name for name in profile.names() if profile.load(name).os.init == "systemd"]


@pytest.fixture(scope="module")
def analyze() -> list[str]:
    """systemd-analyze, which works without a running systemd."""
    try:
        return unpacked.command("systemd-analyze")
    except UnavailableError as error:
        pytest.skip(f"THE UNITS ARE NOT CHECKED: {error}")


def exposure(analyze: list[str], file: Path) -> float:
    """From 0 to 10, as `systemd-analyze security` has it."""
    done = subprocess.run([*analyze, "security", "--offline=true", file], capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for .*: ([\d.]+) ", done.stdout)
    assert found, done.stderr
    return float(found[1])


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_hardened(analyze: list[str], name: str) -> None:
    assert exposure(analyze, unit.FOLDER / name) <= BASE


@pytest.mark.parametrize(
    ("name", "grants"),
    [*((name, GRANTS) for name in PROFILES), *(("raspberry-pi-5", (grant,)) for grant in GRANTS)],
)
def test_devices_expose_it_little_more(analyze: list[str], tmp_path: Path, name: str, grants: Sequence[Grant]) -> None:
    shutil.copy(unit.FOLDER / "edge-agent.service", tmp_path)
    drop_in = tmp_path / "edge-agent.service.d" / "godwit.conf"
    drop_in.parent.mkdir()
    drop_in.write_text(unit.drop_in(profile.load(name), grants))
    assert BASE < exposure(analyze, tmp_path / "edge-agent.service") <= WITH_DEVICES


@pytest.mark.parametrize("name", unit.UPDATERS)
def test_an_updater_opens_what_models_run_on_and_no_more(analyze: list[str], tmp_path: Path, name: str) -> None:
    shutil.copy(unit.FOLDER / name, tmp_path)
    drop_in = tmp_path / f"{name}.d" / "godwit.conf"
    drop_in.parent.mkdir()
    pi = profile.load("raspberry-pi-5")
    drop_in.write_text(unit.updater_drop_in(pi, GRANTS))
    assert exposure(analyze, tmp_path / name) <= WITH_DEVICES
    for node in pi.devices.gpu:
        assert f"DeviceAllow={node} rw\n" in drop_in.read_text()
    assert not any(f"DeviceAllow={node} " in drop_in.read_text() for node in (*pi.devices.serial, *pi.devices.camera))
    assert unit.updater_drop_in(pi, ["camera"]).splitlines()[1:] == ["[Service]"]


def test_systemd_finds_no_fault_in_them(analyze: list[str], tmp_path: Path) -> None:
    program = tmp_path / "edge-agent"
    program.touch(0o755)
    for path in unit.FOLDER.iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/usr/local/bin/edge-agent", str(program)))
    files = [path for path in tmp_path.iterdir() if path.suffix in {".service", ".timer", ".path", ".mount"}]
    assert len(files) == len(list(unit.FOLDER.iterdir())) - 2
    line = [*analyze, "verify", "--man=no", "--recursive-errors=no", *files]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    # Older systemds do not know them, and say that they ignore them.
    newer = re.compile(r"Unknown key '(RestartSteps|RestartMaxDelaySec)'")
    assert [text for text in done.stderr.splitlines() if str(tmp_path) in text and not newer.search(text)] == []


def test_no_network_is_waited_for() -> None:
    text = (unit.FOLDER / "edge-agent.service").read_text()
    assert "network-online" not in text
    assert "Requires=" not in text


def test_no_probation_is_ended_by_the_updater_s_time_limit() -> None:
    text = (unit.FOLDER / "edge-agent-update.service").read_text()
    days = re.search(r"^TimeoutStartSec=(\d+)d$", text, re.MULTILINE)
    longest = msgspec.json.schema(Update)["$defs"]["Update"]["properties"]["prove_within_minutes"]["maximum"]
    assert days
    assert int(days[1]) * 24 * 60 > longest + START_MS / 60_000


def test_the_drop_in_has_the_profile_s_devices_and_limits() -> None:
    pi = profile.load("raspberry-pi-5")
    assert "PrivateDevices" not in unit.drop_in(pi, [])
    granted = unit.drop_in(pi, ["serial"])
    assert "DeviceAllow=char-ttyAMA rw\n" in granted
    assert "video" not in granted
    assert f"MemoryMax={2 * pi.limits.peak_rss_mb + 128:.0f}M\n" in granted
    assert "CPUQuota=380%\n" in granted


def test_a_dry_run_names_the_files_and_writes_none(tmp_path: Path) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "null.godwit"), "mqtt://127.0.0.1:9")
    program = tmp_path / "edge-agent"
    program.touch(0o755)
    line = ("service", "--root", device.root, "--program", program, "--grant", "camera", "--dry-run", "--json")
    told = json.loads(agent(*line, check=True).stdout)
    assert (told["profile"], told["granted"]) == ("linux-x86_64", ["camera"])
    drop_ins = {f"/etc/systemd/system/{name}.d/godwit.conf" for name in ("edge-agent.service", *unit.UPDATERS)}
    assert set(told["written"]) >= drop_ins
    assert {Path(path).name for path in told["written"]} >= set(SERVICES)
    assert not any(Path(path).exists() for path in told["written"])


@pytest.mark.parametrize(("root", "wanted"), [("a b", "no quotes in a unit"), ("%i", "no quotes in a unit")])
def test_a_path_that_systemd_would_read_otherwise_is_refused(tmp_path: Path, root: str, wanted: str) -> None:
    (tmp_path / root).mkdir()
    device = Device(tmp_path / root, null_bundle(tmp_path / "null.godwit"), "mqtt://127.0.0.1:9")
    program = tmp_path / "edge-agent"
    program.touch(0o755)
    refused = agent("service", "--root", device.root, "--program", program, "--dry-run")
    assert (refused.returncode, wanted in refused.stderr) == (2, True)
