"""The device side on Python 3.13, in a Debian 13 (trixie) userland of its own below `build/`.

The userland is kept between runs; the virtual environment and the copy of the tree in it are made anew.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from tests.system import userland

pytestmark = pytest.mark.system

TREE = "/srv/godwit"
DEBIAN = ("curl", "e2fsprogs", "mosquitto", "openssh-client", "openssl", "procps", "unzip")
TESTING = (
    "hypothesis",
    "jinja2",
    "jsonschema",
    "opencv-python-headless",
    "pytest",
    "pytest-xdist",
    "scikit-learn",
    "trustme",
)
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "__pycache__")
Inside = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def inside() -> Inside:
    """Runs a command in Debian 13 with Godwit in a virtual environment and a copy of the tree beside it."""
    made = userland.make("trixie", "amd64", *DEBIAN)
    userland.install(made, "amd64", ".[agent-litert,agent-onnx,fleet]", *TESTING)
    shutil.rmtree(made / TREE[1:], ignore_errors=True)
    shutil.copytree(userland.ROOT, made / TREE[1:], ignore=NOT_COPIED)
    (made / TREE[1:] / ".venv").symlink_to(userland.ENVIRONMENT)
    return lambda *line, folder="/": userland.inside(made, *line, folder=folder)


def test_it_is_python_313(inside: Inside) -> None:
    assert inside("python3", "--version").stdout.startswith("Python 3.13.")


@pytest.mark.parametrize("package", ["edge_agent", "godwit"])
def test_the_installed_commands_start(inside: Inside, package: str) -> None:
    finished = inside("python3", "-m", package, "--help")
    assert finished.returncode == 0, finished.stderr
    assert "usage: " in finished.stdout.lower()


@pytest.mark.parametrize("module", ["ai_edge_litert.interpreter", "onnxruntime"])
def test_the_runtimes_load(inside: Inside, module: str) -> None:
    finished = inside("python3", "-c", f"import {module}")
    assert finished.returncode == 0, finished.stderr


def test_the_tests_of_the_device_side_pass(inside: Inside) -> None:
    # What flashes is the host's side; what it does on this Python is in test_arm.
    folders = ["tests/firmware_profiles", "tests/edge_agent"]
    finished = inside("python3", "-m", "pytest", "-q", "-n", "2", "-m", "not system", *folders, folder=TREE)
    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout[-8000:] + finished.stderr
