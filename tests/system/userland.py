"""Debian userlands below `build/`, made once and kept; and how a command runs in one.

All mounts are in a namespace of their own, so none outlives its command.
"""

from __future__ import annotations

import fcntl
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
BUILD = ROOT / "build"
UV = Path(sys.executable).parent / "uv"
ENVIRONMENT = "/opt/godwit"
PROGRAM = "/usr/local/bin/edge-agent"
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64", "i386": "i686"}
NATIVE = next((name for name, machine in _ARCHITECTURES.items() if machine == platform.machine()), "none")
"""This machine's own."""
_BY_ITSELF = {NATIVE, "i386"} if NATIVE == "amd64" else {NATIVE}
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU = "qemu-aarch64-static"
# ELF, 64 bit, little endian, an executable or shared object for AArch64 (e_machine 183): elf(5), and the kernel's
# Documentation/admin-guide/binfmt-misc.rst. F: the interpreter is opened now, so that it works in every chroot.
_AARCH64 = (
    rb":godwit-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:"
    rb"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:%b:FPC"
)
# The shell stays, and is not replaced, to be the init that reaps the orphans of its namespace. Of /sys there is what
# XNNPACK wants to know of the processors; with all of this machine's, LiteRT and ONNX Runtime die under qemu 7.2.
_MOUNT_AND_ENTER = """
mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/sys" &&
mkdir -p "$0/sys/devices/system/cpu" && cd "$0/sys/devices/system/cpu" &&
cp /sys/devices/system/cpu/possible /sys/devices/system/cpu/present . && chroot "$0" "$@"; exit $?
"""
_PATH = f"{ENVIRONMENT}/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def want(**programs: str) -> None:
    """Skip where root or one of these programs is missing (`_` is `-`), naming the package that brings it."""
    if os.geteuid() != 0:
        pytest.skip("NOT EXERCISED: it needs root: sudo make test-system")
    for name, package in programs.items():
        program = name.replace("_", "-")
        if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None:
            pytest.skip(f"NOT EXERCISED: {program} is missing: apt-get install {package}")


def emulate(architecture: str) -> None:
    """Have the kernel run programs of that architecture, by qemu where it is not this machine's own."""
    if architecture in _BY_ITSELF:
        return
    want(qemu_aarch64_static="qemu-user-static")
    try:
        if not (_BINFMT / "register").exists():
            subprocess.run(["mount", "-t", "binfmt_misc", "none", _BINFMT], check=True)
        if not any("aarch64" in path.name for path in _BINFMT.iterdir()):
            qemu = shutil.which(_QEMU)
            assert qemu
            (_BINFMT / "register").write_bytes(_AARCH64 % qemu.encode())
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT EXERCISED: the kernel takes no qemu for {architecture}: {error}")


def make(suite: str, architecture: str, *packages: str) -> Path:
    """Debian `suite`, the least of it and `packages`; only a whole one gets the name that the next run looks for."""
    want(debootstrap="debootstrap", unshare="util-linux")
    emulate(architecture)
    tree = BUILD / "-".join([suite, architecture, *packages])
    BUILD.mkdir(exist_ok=True)
    with (BUILD / f".{tree.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tree.is_dir():
            scratch = tree.with_name(f"{tree.name}.unfinished")
            shutil.rmtree(scratch, ignore_errors=True)
            include = f"--include={','.join(('python3', *packages))}"
            command = ["debootstrap", "--variant=minbase", f"--arch={architecture}", include, suite, str(scratch)]
            done = subprocess.run(["unshare", "--mount", *command], stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode != 0:
                pytest.skip(f"NOT EXERCISED: debootstrap of {suite}: {done.stdout.splitlines()[-1:]}")
            _slim(scratch)
            scratch.rename(tree)
    return tree


def _slim(tree: Path) -> None:
    """As Debian's own images for containers: no documents, translations or package lists."""
    for name in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(tree / name, ignore_errors=True)
        (tree / name).mkdir(parents=True)


def command_line(tree: Path, *command: str, folder: str = "/") -> list[str]:
    """What runs `command` in the userland, with this machine's network; what it starts ends with it."""
    environment = ["env", "-i", f"PATH={_PATH}", "HOME=/root", "LC_ALL=C.UTF-8"]
    namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    shell = ["sh", "-c", _MOUNT_AND_ENTER, str(tree), "env", f"--chdir={folder}", *command]
    return [*environment, *namespaces, *shell]


def inside(tree: Path, *command: str, folder: str = "/") -> subprocess.CompletedProcess[str]:
    """Run `command` there to its end."""
    return subprocess.run(command_line(tree, *command, folder=folder), capture_output=True, text=True, check=False)


def install(tree: Path, architecture: str, *wanted: str) -> None:
    """What pip would be asked for, for the userland's own Python, by the host's uv: the userland needs no network."""
    if not UV.exists():
        pytest.skip("NOT EXERCISED: uv is missing beside Python: make setup")
    python = next((tree / "usr/lib").glob("python3.[0-9]*")).name
    version = python.removeprefix("python")
    site = tree / ENVIRONMENT[1:] / "lib" / python / "site-packages"
    shutil.rmtree(tree / ENVIRONMENT[1:], ignore_errors=True)
    made = inside(tree, "/usr/bin/python3", "-c", f"import venv; venv.create({ENVIRONMENT!r}, symlinks=True)")
    assert made.returncode == 0, made.stderr
    target = ["--target", str(site), "--python-version", version]
    target += ["--python-platform", f"{_ARCHITECTURES[architecture]}-manylinux_2_36"]
    constraints = f"constraints/py{version.replace('.', '')}.txt"
    line = [UV, "pip", "install", "--quiet", *target, "--constraints", constraints, *wanted]
    subprocess.run(line, cwd=ROOT, check=True)
    program = tree / PROGRAM[1:]
    program.write_text(f"#!{ENVIRONMENT}/bin/python3\nfrom edge_agent.cli import run\n\nraise SystemExit(run())\n")
    program.chmod(0o755)
