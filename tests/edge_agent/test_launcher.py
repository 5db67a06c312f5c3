"""The launcher, as real processes: counts, flips, and survives what is damaged."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_agent import launcher
from edge_agent.layout import Root
from edge_agent.ota import agent_slots
from tests.edge_agent.support import TIMEOUT_S, Device, null_bundle, wait_until
from tests.edge_agent.wheels import code_file, first_code, launch, small_code_file

DEAD = "import nothing_of_the_kind"
SAYS = "import os, sys; sys.exit(f\"slot {os.environ['GODWIT_AGENT_SLOT']} {sys.argv[1:]}\")"


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """Slot a is proven and tells that it ran; slot b is active, not proven, and cannot even be imported."""
    root = Root(tmp_path / "device")
    root.make()
    first_code(root, small_code_file(tmp_path / "one", "0.1.0", SAYS))
    agent_slots.stage(small_code_file(tmp_path / "two", "0.2.0", DEAD), root)
    agent_slots.activate(root)
    return root


def told(root: Root) -> str:
    process = launch(root)
    return process.communicate(timeout=TIMEOUT_S)[1]


def test_an_agent_that_cannot_even_be_imported_is_survived(root: Root) -> None:
    assert agent_slots.passed_over(root) == ""
    for _ in range(launcher.STARTS):
        assert "nothing_of_the_kind" in told(root)
        assert agent_slots.passed_over(root) == ""
    for _ in range(2):
        said = told(root)
        assert "/agent/b is passed over: it was started 3 times and did not prove itself" in said
        assert f"slot a ['run', '--root', '{root.folder}']" in said
    assert "did not prove itself" in agent_slots.passed_over(root)
    agent_slots.roll_back(root)
    assert told(root).startswith("slot a")
    assert agent_slots.passed_over(root) == ""


def test_new_code_in_the_slot_is_counted_anew(root: Root, tmp_path: Path) -> None:
    for _ in range(launcher.STARTS + 1):
        told(root)
    agent_slots.stage(small_code_file(tmp_path / "three", "0.3.0", DEAD), root)
    assert agent_slots.passed_over(root) == ""
    assert "nothing_of_the_kind" in told(root)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"code": 1, "starts": "many"}', b"[" * 99999, b"\xff\xfe"])
def test_a_damaged_count_is_begun_anew(root: Root, content: bytes) -> None:
    root.starts.write_bytes(content)
    for _ in range(launcher.STARTS):
        assert "nothing_of_the_kind" in told(root)
    assert "slot a" in told(root)


def test_where_nothing_can_be_counted_the_proven_one_runs(root: Root) -> None:
    root.starts.with_suffix(".tmp").mkdir()
    assert "its starts cannot be counted" in told(root)
    assert "slot a" in told(root)


@pytest.mark.parametrize("target", ["c", "../slots/a", "", "/", "active"])
def test_a_damaged_link_leads_to_the_proven_slot(root: Root, target: str) -> None:
    link = root.agent_code / "active"
    link.unlink()
    if target:
        link.symlink_to(target)
    assert told(root).startswith("slot a")


def test_a_python_that_was_replaced_underneath_is_named(root: Root) -> None:
    def say_python(slot: str, tag: str) -> None:
        path = root.agent_code / slot / "agent.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), "python": tag}))

    say_python("b", "cp399")
    said = told(root)
    assert f"/agent/b is passed over: it is for cp399 and here is {launcher.HERE}: Python was replaced" in said
    assert "slot a" in said
    say_python("a", "cp398")
    assert f"/agent/a: expected cp398, found {launcher.HERE}: Python was replaced" in told(root)


def test_without_any_code_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "agent").mkdir()
    command = [sys.executable, "-I", launcher.__file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "expected the agent's code, found none" in done.stderr


@contextmanager
def launched(root: Root) -> Iterator[subprocess.Popen[str]]:
    process = launch(root)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()


def test_a_running_agent_starts_itself_anew_when_its_code_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(tmp_path, null_bundle(tmp_path / "b.godwit"), "mqtt://127.0.0.1:9")
    root = Root(device.root)
    first_code(root, code_file(tmp_path / "one"))
    agent_slots.stage(code_file(tmp_path / "two", "0.2.0"), root)
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(TIMEOUT_S)
        with launched(root) as process:
            wait_until(lambda: _slot(root) == "a", "the first code")
            assert Path(f"/proc/{process.pid}/cwd").readlink() == Path("/")
            agent_slots.activate(root)
            wait_until(lambda: _slot(root) == "b", "the second code, in the same process")
            assert process.poll() is None
            assert device.status()["supervisor_pid"] == process.pid
            # Had it said that it stops, systemd would end it.
            assert [systemd.recv(100) for _ in range(2)] == [b"READY=1", b"READY=1"]


def _slot(root: Root) -> str:
    try:
        return str(json.loads(root.health.read_bytes())["agent_slot"])
    except (OSError, ValueError):
        return ""
