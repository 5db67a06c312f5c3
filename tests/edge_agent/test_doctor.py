"""`edge-agent doctor` on devices that are well, and on others."""

from __future__ import annotations

import json
import os
import re
import tempfile
from pathlib import Path
from typing import Any

import pytest

from firmware_profiles.manifest import RuntimeClaim
from tests.edge_agent.support import LITERT, Device, agent, model, null_bundle, wait_until, write_bundle
from tools.broker import Broker
from tools.tls_broker import TlsBroker

NOBODY = "mqtt://127.0.0.1:9"


def examined(device: Device, code: int) -> dict[str, Any]:
    """Name → check."""
    done = agent("doctor", "--root", device.root, "--json")
    assert (done.returncode, done.stderr) == (code, "")
    return {check["name"]: check for check in json.loads(done.stdout)}


def levels(checks: dict[str, Any], *names: str) -> list[str]:
    """Of those checks."""
    return [checks[name]["level"] for name in names]


def test_a_device_that_runs_is_well(tmp_path: Path, broker: Broker) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), broker.url)
    with device.running():
        wait_until(lambda: device.status().get("connected") is True, "a connection")
        wait_until(lambda: device.status()["state"] == "running", "a proved model")
        checks = examined(device, 0)
    well = ("deployment", "profile", "space", "python", "wheels", "runtime litert", "rights", "broker", "agent")
    assert levels(checks, *well, "delegate tiny") == ["ok"] * 10
    assert checks["delegate tiny"]["found"].startswith("litert/xnnpack, which took ")
    assert all(bool(check["step"]) == (check["level"] != "ok") for check in checks.values()), checks


def test_what_does_not_run_is_told_to_people_with_what_to_do(tmp_path: Path) -> None:
    of = model(runtimes=[*LITERT, RuntimeClaim("tflite", "xnnpack", "2.14.0", 1e-4)])
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit", of), NOBODY)
    device.configure('[[source]]\nname = "imu"\nkind = "serial"\nport = "/dev/ttyNONE"')
    device.configure('format = { kind = "csv", channels = 3 }')
    told = agent("doctor", "--root", device.root)
    assert told.returncode == 0, told.stdout
    lines = told.stdout.splitlines()
    for start in ("warn  runtime tflite", "warn  source imu", "warn  broker", "warn  agent"):
        at = next(index for index, line in enumerate(lines) if line.startswith(start))
        assert lines[at + 1].strip().startswith("→ "), lines


def test_a_runtime_that_alone_could_run_the_model_must_load(tmp_path: Path) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), NOBODY)
    path = device.root / "slots" / "active" / "manifest.json"
    path.write_bytes(re.sub(rb'"runtime":\s*"null"', b'"runtime": "tflite"', path.read_bytes()))
    assert levels(examined(device, 1), "runtime tflite") == ["fail"]


def test_a_bad_configuration_and_a_changed_model_are_told_together(tmp_path: Path) -> None:
    device = Device(tmp_path, write_bundle(tmp_path / "b.godwit"), NOBODY)
    device.configure("[telemetry]\nintervall_s = 3")
    with (device.root / "slots" / "active" / "models" / "tiny.tflite").open("ab") as stream:
        stream.write(b"!")
    checks = examined(device, 1)
    assert set(checks) == {"configuration", "deployment"}
    assert "interval_s" in checks["configuration"]["step"]


def test_certificates_are_read_and_an_old_one_fails(tmp_path: Path) -> None:
    (tmp_path / "broker").mkdir()
    with TlsBroker(tmp_path / "broker") as broker:
        old, ca = broker.authority.issue("d1", expired=True), broker.authority.certificate
        device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), broker.url)
        path = device.root / "etc" / "agent.toml"
        text = path.read_text()
        for name, file in (("ca.pem", ca), ("device.pem", old.certificate), ("device.key", old.key)):
            text = text.replace(f"update/identity/current/{name}", str(file))
        path.write_text(text)
        checks = examined(device, 1)
    assert levels(checks, "broker", "broker's certificate", "certificate", "CA") == ["fail", "ok", "fail", "ok"]
    assert checks["broker"]["found"].endswith(" refuses this device: certificate expired")
    assert "until 2022-01-01" in checks["certificate"]["found"]
    assert "identity" in checks["certificate"]["step"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a folder to another user")
def test_root_sees_what_the_agent_s_own_user_may() -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        device = Device(folder, null_bundle(folder / "b.godwit"), NOBODY)
        (folder / "data.npy").touch(0o600)
        device.replay(folder / "data.npy")
        for own in ("var", "run"):
            os.chown(device.root / own, 65534, 65534)
        checks = examined(device, 1)
    assert checks["rights"]["found"] == f"nobody may not use {device.root.resolve()}/etc/agent.toml"
    assert checks["source replay"]["found"].startswith("nobody may not open ")
