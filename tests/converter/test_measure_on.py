"""`--measure-on`: latency, memory, proof and choice come from a device, over a real sshd on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from converter.report import Evidence
from firmware_profiles import profile as profiles
from tests.converter.conftest import ROOT, Godwit, alive, report, tiny_project, wait_for
from tests.sshd import Sshd

AGENT_PYTHON = ROOT / "build" / "agent-venv" / "bin" / "python"
THERE = "127.0.0.1"


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """This machine by another name: the user's `ssh` reaches it, and `edge-agent` is in its PATH."""
    if not AGENT_PYTHON.exists():
        pytest.skip("no environment of a device: make setup makes it")
    folder = tmp_path / "device"
    search = folder / "bin"
    search.mkdir(parents=True)
    logged = f'echo "$*" >> {folder}/asked\nPYTHONPATH={ROOT} exec {AGENT_PYTHON} -m edge_agent "$@"'
    script(search / "edge-agent", logged)
    with Sshd(folder, search) as sshd:
        monkeypatch.setenv("PATH", f"{sshd.path}:{os.environ['PATH']}")
        yield sshd
        wait_for(lambda: not any(sshd.home.iterdir()))  # whatever happened, nothing stays there


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The small ONNX model, for a device that would rather use CUDA, which this one lacks."""
    path = tiny_project(tmp_path)
    own = tmp_path / "onnx-only.toml"
    cuda = '[[runtimes]]\nruntime = "onnx"\ndelegate = "cuda"\naccelerates = ["float32"]\n\n'
    own.write_text(own.read_text().replace("[[runtimes]]", f"{cuda}[[runtimes]]", 1))
    return path


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def slow_agent(device: Sshd, folder: Path) -> str:
    """A URL of a device whose agent never ends a comparison: it writes its process id to `folder`/comparing instead."""
    waits = f'[ "$1" = compare ] && {{ echo $$ > {folder}/comparing; exec sleep 60; }}'
    script(folder / "slow", f'{waits}\nexec edge-agent "$@"')
    return f"{device.url}?agent={folder}/slow"


def dropped(device: Sshd, comparing: Path, times: int) -> threading.Thread:
    """Breaks the link as often while a comparison runs; the process there must end each time."""

    def work() -> None:
        for _ in range(times):
            pid = started(comparing)
            device.drop()
            wait_for_end(pid)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wait_for_end(pid: int) -> None:
    wait_for(lambda: not alive(pid))


def started(comparing: Path) -> int:
    wait_for(lambda: comparing.exists() and bool(comparing.read_text().strip()), 120)
    pid = int(comparing.read_text())
    comparing.unlink()
    return pid


def test_the_device_decides_for_the_profile_that_it_is(
    tmp_path: Path, project: Path, godwit: Godwit, device: Sshd
) -> None:
    code, out, err = godwit("convert", project, "--measure-on", device.url, "--json")
    assert code == 0, err
    asked = (tmp_path / "device" / "asked").read_text()
    assert {line.split()[0] for line in asked.splitlines()} == {"machine", "evaluate", "compare", "selftest"}
    assert "--data" not in asked  # the user's data stays here
    result = report(out)
    (profile,) = result.profiles
    assert profile.measured_on == THERE
    assert profile.cost is not None
    assert (profile.cost.measured_on, profile.cost.runtime, profile.cost.delegate) == (THERE, "onnx", "cpu")
    assert "of float's p50" in profile.verdicts[0].reason or "the only one" in profile.verdicts[0].reason
    assert {cost.measured_on for each in result.candidates for cost in each.costs} == {"this machine", THERE}
    assert result.machines[THERE].arch == profiles.userland_arch()
    assert any(THERE in text and "onnx/cuda" in text for text in result.warnings)
    assert [(claim.runtime, claim.delegate) for claim in profile.claims] == [("onnx", "cpu")]
    assert [left.delegate for left in profile.left_out] == ["cuda"]
    evidence = msgspec.json.decode(Path(profile.bundle).with_suffix(".evidence.json").read_bytes(), type=Evidence)
    assert evidence.measured_on_device
    assert THERE in evidence.machines
    page = (Path(profile.bundle).parent / "report.html").read_text()
    assert f"What they cost on {THERE} (" in page
    assert f"Decided by what was measured on {THERE}" in page


def test_a_link_that_breaks_is_opened_once_more(tmp_path: Path, project: Path, godwit: Godwit, device: Sshd) -> None:
    waits = f"[ -e {tmp_path}/was ] || {{ touch {tmp_path}/was; echo $$ > {tmp_path}/comparing; exec sleep 60; }}"
    script(tmp_path / "slow", f'[ "$1" = compare ] && {{ {waits}; }}\nexec edge-agent "$@"')
    thread = dropped(device, tmp_path / "comparing", 1)
    code, _, err = godwit("convert", project, "--measure-on", f"{device.url}?agent={tmp_path}/slow")
    thread.join()
    assert code == 0, err
    assert "broke" in err
    assert "connecting again" in err


def test_a_link_that_breaks_again_is_one_line(tmp_path: Path, project: Path, godwit: Godwit, device: Sshd) -> None:
    thread = dropped(device, tmp_path / "comparing", 2)
    code, _, err = godwit("convert", project, "--out", tmp_path / "out", "--measure-on", slow_agent(device, tmp_path))
    thread.join()
    assert code == 4
    assert err.splitlines()[-1].startswith(f"error: {THERE}: expected a link that holds")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, project: Path, device: Sshd) -> None:
    line = [sys.executable, "-m", "godwit", "convert", project, "--measure-on", slow_agent(device, tmp_path)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        pid = started(tmp_path / "comparing")
        running.send_signal(signal.SIGINT)
        assert running.wait(60) == 130
    wait_for_end(pid)


@pytest.mark.parametrize(("known", "told"), [("", "a host that is not in it"), ("another", "found another key")])
def test_a_host_that_is_not_known_is_refused(
    tmp_path: Path, project: Path, godwit: Godwit, device: Sshd, known: str, told: str
) -> None:
    if known:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / known], check=True)
    device.trust((tmp_path / f"{known}.pub").read_text() if known else "")
    code, _, err = godwit("convert", project, "--measure-on", device.url)
    assert code == 4
    (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
    assert told in line


def test_no_agent_no_device_and_no_such_profile_are_told_before_anything_is_loaded(
    tmp_path: Path, project: Path, godwit: Godwit, device: Sshd
) -> None:
    pi = tiny_project(tmp_path / "pi", targets={"profiles": ["raspberry-pi-5"]})
    cases: list[tuple[Path, str, int, str]] = [
        (project, f"{device.url}?agent=/nowhere/edge-agent", 4, "expected the program /nowhere/edge-agent, found none"),
        (project, f"ssh://{THERE}:1", 4, "expected an SSH connection, found"),
        (project, f"ssh://pi:secret@{THERE}", 2, "found one with a password"),
        (pi, device.url, 2, "expected a device of raspberry-pi-5 (Raspberry Pi 5 Model B, aarch64), found"),
    ]
    for path, url, expected, told in cases:
        code, _, err = godwit("convert", path, "--measure-on", url)
        assert code == expected, err
        (line,) = [line for line in err.splitlines() if line.startswith("error: ")]
        assert told in line
        assert "secret" not in err
        assert "loading" not in err
