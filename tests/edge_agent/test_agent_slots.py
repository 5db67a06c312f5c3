"""The agent's own code: from wheels to one file, and from there into a slot."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.layout import Root
from edge_agent.ota import agent_slots
from firmware_profiles.errors import BundleError, InputError, RefusedError
from fleet import agent_code
from tests.edge_agent.wheels import TAG, code_file, first_code, small_code_file, wheel


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return code_file(tmp_path_factory.mktemp("code"))


@pytest.fixture
def root(tmp_path: Path) -> Root:
    root = Root(tmp_path / "device")
    root.make()
    return root


def test_the_same_wheels_give_the_same_bytes_and_any_unzip_opens_them(tmp_path: Path, file: Path) -> None:
    again = code_file(tmp_path)
    assert again.name == file.name == f"godwit-agent-0.1.0-{TAG}-{os.uname().machine}.godwit-agent"
    assert again.read_bytes() == file.read_bytes()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "agent.json"
        assert not [name for name in archive.namelist() if "scripts" in name]


def test_what_is_staged_runs_from_its_compiled_files(root: Root, file: Path) -> None:
    of = agent_slots.stage(file, root)
    slot = root.agent_code / "a"
    assert root.active_agent_slot() == ""
    assert of.version == "0.1.0"
    agent_slots.check(slot)
    compiled = Path(importlib.util.cache_from_source(str(slot / "edge_agent" / "cli.py")))
    assert compiled.is_file()
    (slot / "edge_agent" / "cli.py").write_text("raise SystemExit('from the source')")
    command = [sys.executable, "-m", "edge_agent", "--version"]
    ran = subprocess.run(command, env=agent_slots.environment(slot), capture_output=True, text=True, check=False)
    assert ran.stdout.startswith("edge-agent ")


def test_the_proven_slot_is_never_overwritten(root: Root, tmp_path: Path) -> None:
    first_code(root, small_code_file(tmp_path / "first", "0.1.0", ""))
    newer = small_code_file(tmp_path / "newer", "0.2.0", "")
    agent_slots.stage(newer, root)
    assert (agent_slots.activate(root), agent_slots.proven(root)) == ("b", "a")
    agent_slots.stage(newer, root)
    assert json.loads((root.agent_code / "a" / "agent.json").read_bytes())["version"] == "0.1.0"
    assert sorted(path.name for path in root.agent_code.iterdir()) == ["a", "active", "b", "launcher.py", "proven"]
    agent_slots.roll_back(root)
    assert root.active_agent_slot() == "a"
    agent_slots.activate(root)
    agent_slots.mark_proven(root)
    assert agent_slots.idle(root).name == "a"


def test_code_that_cannot_be_loaded_here_is_refused(root: Root, tmp_path: Path) -> None:
    agent_slots.stage(
        code_file(tmp_path / "bad", changes={"edge_agent/channel.py": "import nothing_of_the_kind"}), root
    )
    with pytest.raises(RefusedError, match="nothing_of_the_kind"):
        agent_slots.check(root.agent_code / "a")


def test_code_for_another_python_or_machine_is_refused(root: Root, tmp_path: Path) -> None:
    wheels = wheel(tmp_path / "wheels")
    other = agent_code.build(wheels, "cp38" if TAG != "cp38" else "cp39", "armv7l", tmp_path)
    with pytest.raises(BundleError, match=r"(?s)Python cp3.*architecture"):
        agent_slots.stage(other, root)
    assert list(root.agent_code.iterdir()) == []


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    root = Root(tmp_path / "device")
    root.make()
    small = tmp_path / "small"
    good = next(small.glob("*.godwit-agent"), None) or small_code_file(small, "1.0", "x = 1\n")
    content = bytearray(good.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    bad = tmp_path / "bad.godwit-agent"
    bad.write_bytes(content if data.draw(st.booleans()) else good.read_bytes()[:at])
    with pytest.raises(BundleError):
        agent_slots.stage(bad, root)
    assert list(root.agent_code.iterdir()) == []


def test_wheels_for_something_else_and_files_that_differ_are_all_told(tmp_path: Path) -> None:
    folder = wheel(tmp_path / "wheels")
    for name in ("x-1.0-cp38-cp38-manylinux_2_17_x86_64.whl", "y-1.0-py3-none-win32.whl"):
        zipfile.ZipFile(folder / name, "w").close()
    with pytest.raises(InputError) as told:
        agent_code.build(folder, "cp311", "x86_64", tmp_path)
    assert [problem.where[0] for problem in told.value.problems] == ["x", "y"]
    for path in (*folder.glob("x*"), *folder.glob("y*")):
        path.unlink()
    with zipfile.ZipFile(folder / "z-1.0-cp311-abi3-manylinux_2_28_x86_64.manylinux_2_31_x86_64.whl", "w") as archive:
        archive.writestr("edge_agent/cli.py", "another one")
    with pytest.raises(InputError, match=r"edge_agent/cli.py as in godwit-0.1.0"):
        agent_code.build(folder, "cp311", "x86_64", tmp_path)
