"""New code that flash brings to an agent that runs: it lives, or the code before it is back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.layout import Root
from fleet.bootstrap import install, system, trial
from tests.edge_agent.support import Device, null_bundle, wait_until
from tests.edge_agent.wheels import code_file, first_code, kept_running
from tests.fleet.parcels import pack, use_other_packages

DIES = {"edge_agent/commands/run.py": "import sys\n\n\ndef main(arguments):\n    sys.exit('it dies at its start')\n"}


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Device:
    """Whose code is Godwit's alone; the other packages are this environment's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    use_other_packages(monkeypatch)
    made = Device(tmp_path, null_bundle(tmp_path / "tiny.godwit"), "mqtt://127.0.0.1:9")
    first_code(Root(made.root), code_file(tmp_path / "first"))
    return made


def parcel(folder: Path, device: Device, version: str, changes: dict[str, str]) -> Path:
    """What `godwit flash` sends: other code, and the deployment that is there."""
    return pack(folder, folder.parent / "tiny.godwit", device.root, version, changes)


def slots(device: Device) -> tuple[str, str]:
    return str((device.root / "agent/active").readlink()), str((device.root / "agent/proven").readlink())


def runs(device: Device, slot: str) -> bool:
    told = trial.told(device.root)
    return (told.get("agent_slot"), told.get("state")) == (slot, "running")


def test_new_code_is_proven_once_it_lives(device: Device, tmp_path: Path) -> None:
    with kept_running(Root(device.root)):
        wait_until(lambda: runs(device, "a"), "the first code")
        assert install.main(parcel(tmp_path / "brought", device, "0.2.0", {})) == 0
        assert slots(device) == ("b", "b")
        assert runs(device, "b")


def test_code_that_dies_gives_way_to_the_one_before(
    device: Device, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    launcher = (device.root / "agent/launcher.py").read_bytes()
    changes = {**DIES, "edge_agent/launcher.py": "raise SystemExit('worse')\n"}
    with kept_running(Root(device.root)) as told:
        wait_until(lambda: runs(device, "a"), "the first code")
        assert install.main(parcel(tmp_path / "brought", device, "0.2.0", changes)) == 4
        assert "found it was started 3 times and did not prove itself; the one before is back" in capfd.readouterr().err
        assert slots(device) == ("a", "a")
        wait_until(lambda: runs(device, "a"), "the first code, again")
        assert ["it dies at its start" in each for each in told].count(True) == 3
    assert (device.root / "agent/launcher.py").read_bytes() == launcher


def test_code_that_nobody_runs_is_taken_as_it_is(device: Device, tmp_path: Path) -> None:
    assert install.main(parcel(tmp_path / "brought", device, "0.2.0", {})) == 0
    assert slots(device) == ("b", "b")


def test_a_deployment_on_probation_is_watched_at_once(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "set_up", lambda _: None)
    newer = null_bundle(tmp_path / "newer.godwit", version="1.1")
    brought = pack(tmp_path / "brought", newer, device.root, None)
    order = json.loads((brought / "order.json").read_text())
    (brought / "order.json").write_text(json.dumps(order | {"service": True}))
    assert install.main(brought) == 0
    assert (device.root / "run/request").exists()  # by which systemd starts the updater
