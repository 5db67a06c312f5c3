"""What an image's unit runs at the first boot, with a bootstrap that ends as it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleet.bootstrap import first_boot

TOLD = {"deployment": "pets", "version": "1.0", "slot": "a", "device": "door-7", "changed": True}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `godwit flash` writes it; the link that enables the unit lies beside it."""
    enabled = tmp_path / "enabled"
    enabled.symlink_to("nowhere")
    monkeypatch.setattr(first_boot, "ENABLED", enabled)
    made = tmp_path / "godwit-flash"
    (made / "kit").mkdir(parents=True)
    (made / "order.json").write_text("{}")
    (made / "kit" / "targets.json").write_text("{}")
    return made


def bootstrap(folder: Path, source: str) -> None:
    (folder / first_boot.ZIPAPP).write_text(f"import sys\n{source}\n")


def outcome(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "outcome.json").read_text())
    return found


def test_what_was_brought_is_installed_once_and_removed(folder: Path) -> None:
    bootstrap(folder, f"assert sys.argv[1] == {str(folder)!r}\nprint({json.dumps(json.dumps(TOLD))})")
    assert first_boot.main(folder, folder / "no mount") == 0
    assert outcome(folder) == {"state": "installed", **TOLD}
    assert [path.name for path in folder.iterdir()] == ["outcome.json"]
    assert not first_boot.ENABLED.is_symlink()


def test_after_a_failure_it_stays_to_be_tried_by_hand(folder: Path) -> None:
    bootstrap(folder, 'sys.exit("first\\nerror: no space")')
    assert first_boot.main(folder, None) == 1
    assert outcome(folder) == {"state": "failed", "error": "error: no space"}
    assert (folder / "kit" / "targets.json").exists()
    assert not first_boot.ENABLED.is_symlink()
    bootstrap(folder, f"print({json.dumps(json.dumps(TOLD))})")
    assert first_boot.main(folder, None) == 0


def test_power_that_was_cut_after_the_installation(folder: Path) -> None:
    first_boot.say(folder / "outcome.json", {"state": "installed", **TOLD})
    bootstrap(folder, "sys.exit(9)")  # half of what it needs is gone
    assert first_boot.main(folder, None) == 0
    assert [path.name for path in folder.iterdir()] == ["outcome.json"]
    assert not first_boot.ENABLED.is_symlink()


def test_a_boot_partition_that_is_not_mounted_gets_nothing(folder: Path, tmp_path: Path) -> None:
    bootstrap(folder, f"print({json.dumps(json.dumps(TOLD))})")
    boot = tmp_path / "boot"
    boot.mkdir()
    first_boot.main(folder, boot)
    assert not list(boot.iterdir())
