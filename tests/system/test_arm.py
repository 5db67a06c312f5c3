"""A 64-bit Arm userland by qemu: the host's accuracy there, and predictions that reach the host's broker."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from firmware_profiles.evaluation import Evaluation
from tests.edge_agent.support import LITERT, Subscriber, agent, images, wait_until, write_bundle
from tests.system import userland
from tools import processes
from tools.broker import Broker

pytestmark = pytest.mark.system

SUITES = {"bookworm": "3.11", "trixie": "3.13"}
EMULATED_S = 300.0
INPUTS = 60
TOLERANCE = LITERT[0].tolerance


@pytest.fixture(scope="module", params=list(SUITES))
def device(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Debian of that suite for arm64, with the agent."""
    tree = tmp_path_factory.mktemp("device") / "tree"
    subprocess.run(["cp", "-a", "--reflink=auto", userland.make(request.param, "arm64"), tree], check=True)
    userland.install(tree, "arm64", ".[agent-litert]")
    assert userland.inside(tree, "python3", "--version").stdout.startswith(f"Python {SUITES[request.param]}.")
    yield tree
    shutil.rmtree(tree)


def bundle(path: Path, arch: str) -> Path:
    """The same model for that architecture, with the golden vectors of this machine."""
    return write_bundle(path, arch=arch)


def labelled(path: Path) -> Path:
    """Inputs with labels that the model has no reason to give: a third of them will be right."""
    np.savez(path, x=images(INPUTS, seed=11), y=np.arange(INPUTS) % 3)
    return path


def test_it_has_the_host_s_accuracy_and_its_golden_answers(device: Path, tmp_path: Path) -> None:
    data = labelled(device / "srv" / "d.npz")
    here, outputs = bundle(tmp_path / "b.godwit", "x86_64"), tmp_path / "y.npz"
    bundle(device / "srv" / "b.godwit", "aarch64")
    options = ("--runs", "0", "--json")
    line = ("evaluate", "/srv/b.godwit", "--data", "/srv/d.npz", "--outputs", "/srv/y.npz", *options)
    told = userland.inside(device, userland.PROGRAM, *line)
    assert told.returncode == 0, told.stderr
    there = msgspec.json.decode(told.stdout, type=Evaluation)
    mine = agent("evaluate", here, "--data", data, "--outputs", outputs, *options, check=True)
    ours = msgspec.json.decode(mine.stdout, type=Evaluation)
    assert there.machine.arch == "aarch64"
    assert (there.metric, there.value, there.predicted) == (ours.metric, ours.value, ours.predicted)
    assert there.golden_max_difference is not None
    assert there.golden_max_difference <= TOLERANCE
    assert there.runtime.delegate == "xnnpack"
    with np.load(device / "srv" / "y.npz") as those, np.load(outputs) as these:
        assert max(np.abs(those[name] - these[name]).max() for name in these) <= TOLERANCE


def test_its_predictions_reach_the_host_s_broker(device: Path, broker: Broker) -> None:
    labelled(device / "srv" / "d.npz")
    bundle(device / "srv" / "b.godwit", "aarch64")
    root = ("--root", "/srv/device")
    line = ("install", "/srv/b.godwit", *root, "--device-id", "arm-1", "--broker", broker.url)
    installed = userland.inside(device, userland.PROGRAM, *line)
    assert installed.returncode == 0, installed.stderr
    with (device / "srv/device/etc/agent.toml").open("a") as stream:
        stream.write('[http]\nlisten = ""\n[worker]\ndeadline_s = 60\n')
        stream.write('[[source]]\nname = "replay"\nkind = "replay"\npath = "/srv/d.npz"\n')
    with Subscriber(broker.port) as subscriber:
        running = processes.start(userland.command_line(device, userland.PROGRAM, "run", *root))
        try:
            wait_until(lambda: len(subscriber.of("prediction")) == INPUTS, "every prediction", EMULATED_S)
        finally:
            processes.stop(running)
        assert [each.input.position for each in subscriber.of("prediction")] == list(range(INPUTS))
        assert "worker_died" not in subscriber.events()


def test_the_doctor_names_no_fault_of_the_runtime(device: Path) -> None:
    bundle(device / "srv" / "b.godwit", "aarch64")
    root = ("--root", "/srv/well")
    installed = userland.inside(device, userland.PROGRAM, "install", "/srv/b.godwit", *root, "--device-id", "arm-1")
    assert installed.returncode == 0, installed.stderr
    checks = json.loads(userland.inside(device, userland.PROGRAM, "doctor", *root, "--json").stdout)
    found = {check["name"]: check["level"] for check in checks}
    assert (found["profile"], found["wheels"], found["runtime litert"]) == ("ok", "ok", "ok"), checks
