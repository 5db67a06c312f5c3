"""The device side on Python 3.13, in a Debian 13 (trixie) userland of its own below `build/`.

The userland is kept between runs; the virtual environment and the copy of the tree in it are made
anew. All mounts are in a namespace of their own, so none outlives its command.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.system

ROOT = Path(__file__).parent.parent.parent
USERLAND = ROOT / "build" / "trixie"
DEBIAN_PACKAGES = "ca-certificates,mosquitto,procps,python3,python3-venv,unzip"
UV = Path(sys.executable).parent / "uv"
ENVIRONMENT = "/opt/godwit"
TREE = "/srv/godwit"
NOT_COPIED = shutil.ignore_patterns(".*", "build", "dist", "__pycache__")
# The shell stays, and is not replaced, to be the init that reaps the orphans of its namespace.
MOUNT_AND_ENTER = 'mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && chroot "$0" "$@"; exit $?'


def missing() -> str:
    """Why no userland can be made here, or nothing."""
    if os.geteuid() != 0:
        return "chroot needs root: sudo make test-system"
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux")):
        if shutil.which(program) is None:
            return f"{program} is missing: apt-get install {package}"
    return "" if UV.exists() else "uv is missing beside Python: make setup"


def inside(*line: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
    """Run a command in the userland; what it starts ends with it."""
    shell = ["sh", "-c", MOUNT_AND_ENTER, str(USERLAND), "env", f"--chdir={folder}", *line]
    own = {"PATH": f"{ENVIRONMENT}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    return subprocess.run([*namespaces, *shell], env=own, capture_output=True, text=True, check=False)


def make_userland() -> None:
    """Unpack and configure Debian 13; only a whole one gets the name that the next run looks for."""
    scratch = USERLAND.with_name("trixie.unfinished")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.parent.mkdir(exist_ok=True)
    line = ["debootstrap", "--variant=minbase", f"--include={DEBIAN_PACKAGES}", "trixie", str(scratch)]
    subprocess.run(["unshare", "--mount", *line], check=True)
    scratch.rename(USERLAND)


def install() -> None:
    """Godwit and what its tests need, by the host's uv, so that the userland needs no network."""
    shutil.rmtree(USERLAND / ENVIRONMENT[1:], ignore_errors=True)
    assert inside("/usr/bin/python3", "-m", "venv", "--without-pip", ENVIRONMENT).returncode == 0
    site = USERLAND / ENVIRONMENT[1:] / "lib/python3.13/site-packages"
    target = [
        "--target",
        str(site),
        "--python-version",
        "3.13",
        "--python-platform",
        f"{platform.machine()}-manylinux_2_40",
    ]
    wanted = [".[agent-litert,agent-onnx,fleet]", "hypothesis", "pytest", "pytest-xdist"]
    line = [str(UV), "pip", "install", "--quiet", *target, "--constraints", "constraints/py313.txt", *wanted]
    subprocess.run(line, cwd=ROOT, check=True)


@pytest.fixture(scope="module", autouse=True)
def userland() -> None:
    """Debian 13 with Godwit in a virtual environment and a copy of the tree beside it."""
    if reason := missing():
        pytest.skip(reason)
    if not USERLAND.is_dir():
        make_userland()
    install()
    shutil.rmtree(USERLAND / TREE[1:], ignore_errors=True)
    shutil.copytree(ROOT, USERLAND / TREE[1:], ignore=NOT_COPIED)


def test_it_is_python_313() -> None:
    assert inside("python3", "--version").stdout.startswith("Python 3.13.")


@pytest.mark.parametrize("package", ["edge_agent", "godwit"])
def test_the_installed_commands_start(package: str) -> None:
    finished = inside("python3", "-m", package, "--help")
    assert finished.returncode == 0, finished.stderr
    assert "usage: " in finished.stdout.lower()


@pytest.mark.parametrize("module", ["ai_edge_litert.interpreter", "onnxruntime"])
def test_the_runtimes_load(module: str) -> None:
    finished = inside("python3", "-c", f"import {module}")
    assert finished.returncode == 0, finished.stderr


def test_the_tests_of_the_device_side_pass() -> None:
    folders = ["tests/firmware_profiles", "tests/edge_agent", "tests/fleet"]
    finished = inside("python3", "-m", "pytest", "-q", "-n", "2", "-m", "not system", *folders, folder=TREE)
    print(finished.stdout)
    assert finished.returncode == 0, finished.stdout[-8000:] + finished.stderr
