"""A repository that has the agent's newer code for its updaters, too, flashed to a device whose agent is older."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.bootstrap import install
from tests.edge_agent.support import null_bundle
from tests.edge_agent.wheels import code_file
from tests.fleet.parcels import pack, use_other_packages
from tests.fleet.repositories import Command


def test_flash_brings_the_code_and_the_deployment(
    godwit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_other_packages(monkeypatch)
    monkeypatch.setenv("GODWIT_PASSPHRASE", godwit.secret.read_text().strip())
    root = tmp_path / "device"
    godwit.init()
    godwit.repo("add", null_bundle(tmp_path / "tiny-1.godwit"))
    assert install.main(pack(tmp_path / "first", godwit.folder, root, "0.1.0")) == 0
    godwit.repo("add", null_bundle(tmp_path / "tiny-2.godwit", version="1.1"))
    godwit.repo("add", code_file(tmp_path / "code", "0.2.0"), "--device", "linux-x86_64")
    brought = pack(tmp_path / "second", godwit.folder, root, "0.2.0")
    assert not list(brought.rglob("*.godwit-agent"))
    assert install.main(brought) == 0
    assert json.loads((root / "slots/active/manifest.json").read_text())["version"] == "1.1"
    assert [str((root / "agent" / link).readlink()) for link in ("active", "proven")] == ["b", "b"]
    assert json.loads((root / "agent/active/agent.json").read_text())["version"] == "0.2.0"
