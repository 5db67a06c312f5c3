"""Install a package of Debian or Ubuntu that a target cannot do without, and say so before.

`python3 -m tools.debian PROGRAM[=PACKAGE]…` installs the package, named like the program by default, where there is
no such program. The standard library only: this runs before there is any environment.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from firmware_profiles.errors import Problem, UnavailableError, guarded

_SEARCH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))
# A machine just started is often updating itself; apt-get then waits for its turn, for so many seconds.
_OPTIONS = ("-q", "-q", "-o", "DPkg::Lock::Timeout=300")


def install(package: str, what: str) -> None:
    """Install `package` by apt-get, for the want of `what`.

    Raises:
        UnavailableError: this user may not, there is no apt-get, or it failed; says what to type.
    """
    root = [] if os.geteuid() == 0 else _sudo()
    if root is None or not shutil.which("apt-get"):
        raise UnavailableError(Problem(package, what, "none", _to_type(package)))
    print(f"{what} is missing: installing {package} by apt-get", flush=True)
    apt_get = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *_OPTIONS]
    # If the lists cannot be refreshed, apt-get says why, and the old ones may do.
    subprocess.run([*apt_get, "update"], check=False)
    line = [*apt_get, "install", "--yes", "--no-install-recommends", package]
    if subprocess.run(line, check=False, stdout=subprocess.DEVNULL).returncode != 0:
        raise UnavailableError(Problem(package, "apt-get to install it", "its message above", _to_type(package)))


def _sudo() -> list[str] | None:
    """Only a sudo that asks for no password: nobody may be there to answer."""
    line = ["sudo", "-n"]
    allowed = shutil.which("sudo") and subprocess.run([*line, "true"], check=False, capture_output=True).returncode == 0
    return line if allowed else None


def _to_type(package: str) -> str:
    sudo, by = ("sudo ", "") if shutil.which("sudo") else ("", "as root, ")
    return f"{by}type: {sudo}apt-get update; {sudo}apt-get install {package}"


def main() -> int:
    """Make sure that the programs named on the command line are there."""
    for program, _, package in (word.partition("=") for word in sys.argv[1:]):
        if not shutil.which(program, path=_SEARCH):
            install(package or program, f"the program {program}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(main))
