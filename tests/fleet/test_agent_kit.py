"""`godwit kit`: real wheels, resolved and downloaded for another machine; what a device needs and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging import tags

from edge_agent.ota import agent_slots
from firmware_profiles import profile
from firmware_profiles.errors import InputError
from firmware_profiles.profile import RuntimeRow
from fleet.agent_kit import own_wheel, userland, wanted
from fleet.agent_kit.userland import Userland
from tests.edge_agent.support import write_bundle

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
PROFILE = "linux-x86_64" if profile.userland_arch() == "x86_64" else "linux-arm64"


def kit(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "godwit", "kit", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, env={**os.environ, **variables})


@pytest.fixture(scope="module")
def gathered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The kit of this machine's profile; without a network the test is left out."""
    folder = tmp_path_factory.mktemp("kit") / "kit"
    made = kit("--profile", PROFILE, "--python", PYTHON, "--out", folder)
    if made.returncode == 4:
        pytest.skip(made.stderr)
    assert f"{folder}: " in made.stdout, made.stderr
    return folder


def test_what_is_gathered_runs_a_model_alone(gathered: Path, tmp_path: Path) -> None:
    described = json.loads((gathered / "agent-kit.json").read_text())
    names = {wheel.split("-")[0].lower() for wheel in described["wheels"]}
    assert {"godwit", "ai_edge_litert", "onnxruntime", "numpy", "tuf", "cryptography"} <= names
    assert not names & {name.replace("-", "_") for name in wanted.NEVER_IMPORTED}
    assert described["wheels"] == {path.name: path.stat().st_size for path in gathered.glob("*.whl")}

    (code,) = gathered.glob("*.godwit-agent")
    with zipfile.ZipFile(code) as archive:
        archive.extractall(tmp_path / "slot")  # it is ours
    line = [sys.executable, "-S", "-m", "edge_agent", "selftest", write_bundle(tmp_path / "tiny.godwit")]
    environment = agent_slots.environment(tmp_path / "slot")
    ran = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_a_second_time_no_registry_is_asked(gathered: Path, tmp_path: Path) -> None:
    nowhere = {"UV_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    again = kit("--profile", PROFILE, "--python", PYTHON, "--out", tmp_path / "kit", "--json", **nowhere)
    assert again.returncode == 0, again.stderr
    told = json.loads(again.stdout)
    assert told["size_bytes"] == sum(path.stat().st_size for path in gathered.glob("*.whl"))


@pytest.mark.system
@pytest.mark.parametrize(
    ("name", "python"), [("raspberry-pi-5", "3.11"), ("raspberry-pi-5", "3.13"), ("jetson-orin-nano", "3.10")]
)
def test_other_devices(name: str, python: str, tmp_path: Path) -> None:
    made = kit("--profile", name, "--python", python, "--out", tmp_path / "kit", "--json")
    told = json.loads(made.stdout)
    there = userland.of(profile.load(name), python)
    assert all(there.runs(wheel) for wheel in told["wheels"])
    assert told["system_packages"] == (["nvidia-jetpack"] if "jetson" in name else [])


def test_own_wheel_holds_what_a_device_needs_and_is_always_the_same(tmp_path: Path) -> None:
    path = tmp_path / own_wheel.NAME
    path.write_bytes(own_wheel.build())
    assert path.read_bytes() == own_wheel.build()
    with zipfile.ZipFile(path) as archive:
        assert {name.split("/")[0].split("-")[0] for name in archive.namelist()} == {
            "edge_agent",
            "firmware_profiles",
            "godwit",
        }
        assert (
            any(name.startswith("edge_agent/units/") for name in archive.namelist()) == Path("deploy/systemd").exists()
        )


HERE = Userland(PYTHON, profile.userland_arch(), "2.28")  # type: ignore[arg-type]  # this machine is one of ours
KNOWN = [
    str(tag)
    for tag in (
        *tags.cpython_tags(sys.version_info[:2], [f"cp{PYTHON.replace('.', '')}"], HERE.platforms),
        *tags.compatible_tags(sys.version_info[:2], f"cp{PYTHON.replace('.', '')}", HERE.platforms),
    )
]


@given(st.sampled_from(KNOWN))
@settings(max_examples=300)
def test_every_wheel_that_packaging_would_take_here_is_taken(tag: str) -> None:
    assert HERE.runs(f"a_wheel-1.0-{tag}.whl")


@pytest.mark.parametrize(
    "name",
    [
        "a-1-cp39-cp39-manylinux_2_17_{arch}.whl",
        "a-1-cp311-cp311-manylinux_2_40_{arch}.whl",
        "a-1-cp311-cp311-musllinux_1_2_{arch}.whl",
        "a-1-cp314-abi3-manylinux_2_17_{arch}.whl",
        "a-1-cp311-cp311-macosx_11_0_arm64.whl",
        "a-1-py2-none-any.whl",
        "a-1-cp311-cp311-manylinux_2_17_armv7l.whl",
        "no wheel",
    ],
)
def test_others_are_not(name: str) -> None:
    there = Userland("3.11", "aarch64", "2.36")
    assert not there.runs(name.format(arch="aarch64"))


def test_vendors_wheels_come_first_and_what_is_missing_is_told(tmp_path: Path) -> None:
    jetson, there = profile.load("jetson-orin-nano"), Userland("3.10", "aarch64", "2.35")
    without = wanted.want(jetson.runtimes, there, {})
    assert [caution.split(":")[0] for caution in without.cautions] == ["no tensorrt", "no cuda"]
    assert "onnxruntime" not in without.excluded
    for name in ("onnxruntime_gpu-1.9.0-cp310-cp310-linux_aarch64", "onnxruntime_gpu-1.23.0-cp310-cp310-linux_aarch64"):
        (tmp_path / f"{name}.whl").touch()
    (tmp_path / "onnxruntime_gpu-1.24.0-cp312-cp312-linux_aarch64.whl").touch()
    vendor = wanted.vendor_wheels(tmp_path, there)
    assert [path.name.split("-")[1] for path in vendor.values()] == ["1.23.0"]
    with_them = wanted.want(jetson.runtimes, there, vendor)
    assert with_them.cautions == []
    assert "onnxruntime" in with_them.excluded
    with pytest.raises(InputError, match="expected wheels for cp313"):
        wanted.vendor_wheels(tmp_path, Userland("3.13", "aarch64", "2.41"))
    late = wanted.want([RuntimeRow("tflite", "xnnpack", [])], Userland("3.13", "aarch64", "2.41"), {})
    assert "agent-tflite" not in late.extras
    assert "its last wheels are for Python 3.11" in late.cautions[0]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--profile", "jetson-nano"], "found container; deploy its container"),
        (["--profile", "android-phone"], "found none; an app loads the model there"),
        (["--profile", "raspberry-pi-5", "--python", "3.9"], "expected Python 3.10 to 3.13, found 3.9"),
        (["--profile", "raspberry-pi-6"], "did you mean"),
        (["--profile", "raspberry-pi-5", "--wheels", "/none"], "found no such folder"),
    ],
)
def test_wrong_words(words: list[str], told: str) -> None:
    done = kit(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1
