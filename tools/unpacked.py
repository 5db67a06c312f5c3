"""Get a program to run, without root and without leaving a service behind.

`python -m tools.unpacked PROGRAM` says what it does and prints the command. The order of choice: the program
installed; the one in `build/PROGRAM`; Debian's packages, unpacked there and never installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from firmware_profiles.errors import Problem, UnavailableError, guarded

PACKAGES = {
    "adb": "adb",
    "chromedriver": "chromium-driver",
    "fsck.vfat": "dosfstools",
    "mosquitto": "mosquitto",
    "mtools": "mtools",
    "promtool": "prometheus",
    "rz": "lrzsz",
    "sfdisk": "fdisk",
    "sshd": "openssh-server",
    "systemd-analyze": "systemd",
    "sz": "lrzsz",
    "toybox": "toybox",
}
"""Program → Debian's package."""

BUILD = Path(__file__).parent.parent / "build"
_PROGRAMS = ("usr/sbin", "usr/bin", "sbin", "bin")
_PATIENCE = ("-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=15")
_SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))


def command(program: str, build: Path = BUILD) -> list[str]:
    """The start of a command line that runs one of `PACKAGES`, fetched into `build` if need be.

    Raises:
        UnavailableError: there is none, and apt cannot bring it.
    """
    if found := present(program, build):
        return found
    _say(f"{program} is not installed: unpacking Debian's packages into build/{program} (nothing is installed)")
    _fetch(PACKAGES[program], build / program)
    return present(program, build)


def present(program: str, build: Path = BUILD) -> list[str]:
    """As `command`, but empty where it would have to be fetched."""
    if installed := shutil.which(program, path=_SEARCH):
        return [installed]
    unpacked = build / program
    paths = [path for folder in _PROGRAMS if (path := unpacked / folder / program).exists()]
    if not paths:
        return []
    libraries = sorted({str(path.parent) for path in unpacked.rglob("*.so*")})
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={':'.join(libraries)}", str(paths[0])]


def swiftshader(build: Path = BUILD) -> dict[str, str]:
    """The environment of a process whose Vulkan is computed on the CPU: SwiftShader, as Chromium brings it.

    Raises:
        UnavailableError: apt cannot bring it.
    """
    unpacked = build / "swiftshader"
    if not unpacked.is_dir():
        _say("unpacking Debian's chromium-common into build/swiftshader, for its Vulkan without a GPU")
        _fetch("chromium-common", unpacked)
    folder = unpacked / "usr/lib/chromium"
    return {"VK_ICD_FILENAMES": str(folder / "vk_swiftshader_icd.json"), "LD_LIBRARY_PATH": str(folder)}


def library(package: str, name: str, build: Path = BUILD) -> Path:
    """The shared library `name` of Debian's `package`, which is fetched into `build` if need be.

    Raises:
        UnavailableError: there is none, and apt cannot bring it.
    """
    unpacked = build / package
    places = ((Path("/usr/lib"), f"*/*/{name}"), (unpacked, f"**/{name}"))
    if found := next((path for folder, pattern in places for path in folder.glob(pattern)), None):
        return found
    _say(f"{name} is not installed: unpacking Debian's packages into build/{package} (nothing is installed)")
    _fetch(package, unpacked)
    return next(unpacked.rglob(name))


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _fetch(package: str, unpacked: Path) -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg"):
        step = f"install {package} by this system's own package manager"
        raise UnavailableError(Problem(package, "Debian's or Ubuntu's apt-get and dpkg", "neither", step))
    unpacked.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{unpacked.name}-", dir=unpacked.parent) as scratch:
        folder = Path(scratch)
        try:
            _download(package, folder, [])
        except subprocess.CalledProcessError:
            _say("apt's package lists are missing or old: fetching fresh ones for this build only")
            _download_with_fresh_lists(package, folder)
        tree = folder / "tree"
        for archive in folder.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(archive), str(tree)], check=True)  # noqa: S607  # Debian's own
        try:
            os.replace(tree, unpacked)
        except OSError:
            if not unpacked.is_dir():  # else another run was faster, with the same packages
                raise


def _download(package: str, folder: Path, options: list[str]) -> None:
    """Bring the packages that apt would install for `package` on this machine into `folder`."""
    plan = _apt(folder, [*options, "install", "--simulate", "--no-install-recommends", package])
    missing = [line.split()[1] for line in plan.splitlines() if line.startswith("Inst ")]
    _apt(folder, [*options, "download", *missing])


def _download_with_fresh_lists(package: str, folder: Path) -> None:
    lists, cache = folder / "lists", folder / "cache"
    for path in (lists / "partial", cache / "archives" / "partial"):
        path.mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={cache}"]
    try:
        _apt(folder, [*options, "update"])
        _download(package, folder, options)
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or ["no reason given"]
        step = f"install {package}, or check the network"
        raise UnavailableError(Problem(package, "the package through apt-get", lines[-1], step)) from None


def _apt(folder: Path, arguments: list[str]) -> str:
    """Run apt-get in `folder`; its sandbox user could not write there, and nothing is installed."""
    line = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", *_PATIENCE, *arguments]
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(line, cwd=folder, check=True, capture_output=True, text=True, env=environment).stdout


def main() -> int:
    """Fetch the program named on the command line if need be, and print the command."""
    print(" ".join(command(sys.argv[1])))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
