"""Kits for devices that no network reaches, and the repository of those who only flash."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from fleet.flash.local import opened
from fleet.repository import renewing
from fleet.repository.places import Places
from tests.fleet.repositories import PASSPHRASE, Command, offer, pack


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_kit_is_for_a_year_and_has_every_root(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    for role in ("timestamp", "targets"):
        godwit.repo("rotate-key", role)
    godwit.repo("add", pack(tmp_path), pack(tmp_path, profile="raspberry-pi-4"))
    before = godwit.public()
    kit = tmp_path / "stick" / "kit"
    assert godwit.repo("kit", kit)["days"] == 365
    assert godwit.public() == before
    assert {"1.root.json", "2.root.json", "3.root.json"} <= set(os.listdir(kit / "metadata"))  # noqa: PTH208
    assert json.loads((kit / "kit.json").read_bytes())["profiles"] == ["raspberry-pi-4", "raspberry-pi-5"]
    got = offer(godwit, tmp_path / "device", at=kit)
    assert got is not None
    assert (kit / got.path).stat().st_size == got.size_bytes


def test_a_kit_for_some_devices_carries_only_theirs_and_is_replaced(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    godwit.repo("add", pack(tmp_path), pack(tmp_path, profile="raspberry-pi-4"))
    godwit.repo("add", pack(tmp_path), "--to", "canary")
    kit = tmp_path / "kit"
    godwit.repo("kit", kit)
    assert len(files(kit / "targets")) == 3
    told = godwit.repo("kit", kit, "--device", "raspberry-pi-5", "--group", "canary", "--expires", "20")
    assert told["targets"] == ["canary/pets-1.0-raspberry-pi-5.godwit"]
    assert len(files(kit / "targets")) == 1
    assert offer(godwit, tmp_path / "device", "canary", at=kit) is not None


def test_mistakes_with_kits_are_told_together_and_write_nothing(godwit: Command, tmp_path: Path) -> None:
    godwit.init()
    godwit.repo("add", pack(tmp_path))
    kit = tmp_path / "kit"
    code, _, err = godwit.tried("kit", kit, "--device", "raspbery-pi-5", "--expires", "4000")
    assert code == 2
    assert "found raspbery-pi-5; did you mean 'raspberry-pi-5'?" in err
    assert re.search(r"--expires: expected at most (399|400) days, as root and targets live, found 4000", err)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    code, _, err = godwit.tried("kit", tmp_path / "mine")
    assert (code, "expected a new folder, or a kit to replace" in err) == (2, True)
    assert files(tmp_path / "mine") == ["file"]
    assert not kit.exists()


def test_flashs_own_repository_signs_root_and_targets_again_in_time(
    godwit: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GODWIT_PASSPHRASE", PASSPHRASE)
    godwit.init("--expires", "root=30", "--expires", "targets=30")
    godwit.repo("add", pack(tmp_path))
    godwit.repo("sign", "--expires", "snapshot=20")
    current, keys = opened(Places(godwit.folder))
    renewing.declare(current, {"root": 730, "targets": 400})
    assert renewing.renew_for_kits(current, keys) == [
        "2.root.json",
        "3.targets.json",
        "4.snapshot.json",
        "timestamp.json",
    ]
    assert renewing.renew_for_kits(current, keys) == []
    assert godwit.repo("kit", tmp_path / "kit")["days"] == 365
    assert offer(godwit, tmp_path / "device", at=tmp_path / "kit") is not None
