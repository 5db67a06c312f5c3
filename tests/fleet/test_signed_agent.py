"""Wheels, or their list, that were swapped after the signing: the device is as it was, and nothing of them ran."""

from __future__ import annotations

from pathlib import Path

import pytest

from fleet.bootstrap import install
from tests.edge_agent.support import agent, null_bundle
from tests.fleet.parcels import pack, swap, use_other_packages


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own signing repository is this test's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    use_other_packages(monkeypatch)
    return null_bundle(tmp_path / "tiny.godwit")


@pytest.fixture
def root(bundle: Path, tmp_path: Path) -> Path:
    """A device that has the agent, in a, and trusts that repository."""
    root = tmp_path / "device"
    first = pack(tmp_path / "first", bundle, root, "0.1.0")
    assert install.main(first) == 0
    return root


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """What evil code writes when it runs."""
    return tmp_path / "was-here"


def evil(marker: Path) -> dict[str, str]:
    return {"edge_agent/__init__.py": f"open({str(marker)!r}, 'w').close()\n"}


def tree(root: Path) -> dict[str, bytes]:
    """All but who held the lock last."""
    files = (path for path in root.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_the_code_that_is_there_judges_what_comes(
    root: Path, bundle: Path, tmp_path: Path, marker: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = tree(root)
    brought = pack(tmp_path / "brought", bundle, root, "0.2.0")
    swap(brought, "0.2.0", evil(marker), also_list=True)
    assert install.main(brought) == 6
    assert "agent.json: expected an agent for cp3" in capfd.readouterr().err
    swap(brought, "0.2.0", evil(marker), also_list=False)
    assert install.main(brought) == 4
    assert "expected the files that agent.json names, found a difference in edge_agent" in capfd.readouterr().err
    assert not marker.exists()
    assert tree(root) == before
    assert str((root / "agent/active").readlink()) == "a"


def test_a_list_that_somebody_else_signed(
    root: Path, bundle: Path, tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    before = tree(root)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "others"))
    assert install.main(pack(tmp_path / "brought", bundle, root, "0.2.0", evil(marker))) == 6
    assert "found another root" in capfd.readouterr().err
    assert not marker.exists()
    assert tree(root) == before


def test_what_lies_beside_the_wheels_is_no_code(root: Path, bundle: Path, tmp_path: Path, marker: Path) -> None:
    brought = pack(tmp_path / "brought", bundle, root, "0.2.0")
    for name in ("edge_agent", "tuf"):
        (brought / name).mkdir()
        (brought / name / "__init__.py").write_text(evil(marker)["edge_agent/__init__.py"])
    assert install.main(brought) == 0
    assert not marker.exists()


def test_a_bare_device_takes_only_what_was_signed(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "device"
    brought = pack(tmp_path / "brought", bundle, root, "0.2.0")
    changes = {"edge_agent/layout.py": "raise SystemExit('never signed')\n"}
    swap(brought, "0.2.0", changes, also_list=False)
    assert install.main(brought) == 4
    assert "found a difference in edge_agent/layout.py" in capfd.readouterr().err
    swap(brought, "0.2.0", {"edge_agent/newer.py": ""}, also_list=True)
    assert install.main(brought) == 6
    assert "that is signed in the kit, found one with sha256" in capfd.readouterr().err
    (brought / "agent/agent.json").write_text('{"files": [')
    assert install.main(brought) == 4
    assert "agent.json: expected the list of the agent's files, found something else" in capfd.readouterr().err
    assert not root.exists()


def test_code_that_is_too_damaged_to_judge_is_replaced(root: Path, bundle: Path, tmp_path: Path) -> None:
    (root / "agent/a/edge_agent/commands/verify.py").write_text("what a worn card holds")
    assert install.main(pack(tmp_path / "brought", bundle, root, "0.2.0")) == 0
    assert str((root / "agent/active").readlink()) == "b"


def test_no_device_takes_the_list_for_an_update(root: Path, bundle: Path, tmp_path: Path) -> None:
    newer = pack(tmp_path / "newer", null_bundle(tmp_path / "tiny-2.godwit", version="1.1"), root, "0.3.0")
    done = agent("install", newer / "kit", "--root", root, "--json")
    assert '"version":"1.1"' in done.stdout, done.stderr
    assert str((root / "agent/active").readlink()) == "a"
    again = tree(root)
    assert '"changed":false' in agent("install", newer / "kit", "--root", root, "--json").stdout
    assert tree(root) == again


def test_a_person_can_ask_what_is_signed(root: Path, bundle: Path, tmp_path: Path) -> None:
    before = tree(root)
    brought = pack(tmp_path / "brought", bundle, root, "0.2.0")
    done = agent("verify", brought / "kit", "--root", root)
    assert "is signed by whom this device trusts (targets version" in done.stdout, done.stderr
    (brought / "kit/metadata/timestamp.json").write_bytes(b"{}")
    assert agent("verify", brought / "kit", "--root", root).returncode == 6
    assert tree(root) == before
