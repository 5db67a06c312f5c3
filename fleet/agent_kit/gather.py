"""Gather the wheels of an agent kit, so that the device needs no registry; what was gathered once is kept.

Resolved for the target by uv, since `pip download` evaluates markers for the machine that it runs on; then
downloaded by pip, which checks the hashes that uv found, without looking at dependencies again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import msgspec

from firmware_profiles import agent_code as codes
from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.words import Architecture
from fleet import agent_code
from fleet.agent_kit import own_wheel
from fleet.agent_kit.userland import Userland
from fleet.agent_kit.wanted import Wanted

DESCRIPTION = "agent-kit.json"
CODE = codes.DESCRIPTION
_MAKING = ".making-"


class AgentKit(msgspec.Struct, frozen=True):
    """`agent-kit.json`: what lies beside it.

    Attributes:
        tag, arch, glibc: for whom: "cp311", "aarch64", "2.36".
        wheels: file name → size in bytes, all of them.
        system_packages: what the device's own package manager must have installed.
        cautions: what this kit cannot do.
    """

    version: str
    tag: str
    arch: Architecture
    glibc: str
    wheels: dict[str, int]
    system_packages: list[str]
    cautions: list[str]

    @property
    def size_bytes(self) -> int:
        """Of all wheels."""
        return sum(self.wheels.values())


def gather(wanted: Wanted, userland: Userland, system_packages: list[str], say: Callable[[str], None]) -> Path:
    """The folder of the wheels and their description, in the user's cache.

    Raises:
        UnavailableError: uv or pip is missing, or the registry has no fitting wheel.
    """
    own = own_wheel.build()
    folder = _home() / _key(own, wanted, userland, system_packages)
    if (folder / DESCRIPTION).exists():
        return folder
    try:
        _home().mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=_MAKING, dir=_home()))
        try:
            _fill(making, own, wanted, userland, say)
            (making / DESCRIPTION).write_bytes(_describe(making, wanted, userland, system_packages))
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        step = "free some space, or set XDG_CACHE_HOME to a folder of yours"
        raise UnavailableError(Problem(str(_home()), "a folder to write to", found, step)) from None
    return folder


def read(folder: Path) -> AgentKit:
    """The description of a kit that `gather` made."""
    return msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=AgentKit)


def size_bytes(folder: Path) -> int:
    """Of the wheels in `folder`."""
    return sum(path.stat().st_size for path in folder.glob("*.whl"))


def _fill(folder: Path, own: bytes, wanted: Wanted, userland: Userland, say: Callable[[str], None]) -> None:
    (folder / own_wheel.NAME).write_bytes(own)
    for path in wanted.vendor.values():
        shutil.copyfile(path, folder / path.name)
    say(f"resolving for {userland.tag} on {userland.arch} with glibc {userland.glibc}")
    pins = _resolved(folder, wanted, userland)
    count = pins.count("==")
    say(f"downloading {count} wheels, or taking them from pip's cache")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write(pins)
        listed.flush()
        _run([sys.executable, "-m", "pip", "download", *_pip_options(userland), "-d", str(folder), "-r", listed.name])
    described = agent_code.describe(folder, userland.tag, userland.arch)
    (folder / CODE).write_bytes(codes.encode(described))


def _resolved(folder: Path, wanted: Wanted, userland: Userland) -> str:
    """Pins with hashes of everything that comes from the registry."""
    local = {"godwit": folder / own_wheel.NAME} | {name: folder / path.name for name, path in wanted.vendor.items()}
    roots = [f"godwit[{','.join(wanted.extras)}] @ {local['godwit'].as_uri()}"]
    roots += [f"{name} @ {path.as_uri()}" for name, path in local.items() if name != "godwit"]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as excluded:
        excluded.write("".join(f"{name}\n" for name in wanted.excluded))
        excluded.flush()
        line = [_uv(), "pip", "compile", "--quiet", "--no-annotate", "--no-header", "--generate-hashes", "--no-sources"]
        line += ["--python-platform", userland.uv_platform, "--python-version", userland.python]
        line += ["--only-binary", ":all:", "--excludes", excluded.name]
        line += [option for name in local for option in ("--no-emit-package", name)]
        return _run([*line, "-"], "\n".join(roots))


def _pip_options(userland: Userland) -> list[str]:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    options += ["--implementation", "cp", "--python-version", userland.python]
    options += [option for abi in (userland.tag, "abi3", "none") for option in ("--abi", abi)]
    return options + [option for platform in userland.platforms for option in ("--platform", platform)]


def _describe(folder: Path, wanted: Wanted, userland: Userland, system_packages: list[str]) -> bytes:
    wheels = {path.name: path.stat().st_size for path in sorted(folder.glob("*.whl"))}
    version = own_wheel.NAME.split("-")[1]
    kit = AgentKit(version, userland.tag, userland.arch, userland.glibc, wheels, system_packages, wanted.cautions)
    return msgspec.json.format(msgspec.json.encode(kit), indent=2)


def _key(own: bytes, wanted: Wanted, userland: Userland, system_packages: list[str]) -> str:
    vendor = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in wanted.vendor.items()}
    parts = (hashlib.sha256(own).hexdigest(), wanted.extras, wanted.excluded, vendor, userland, system_packages)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]


def _home() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "godwit" / "agent-kits"


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        step = "pip install 'godwit[fleet]'"
        raise UnavailableError(Problem("godwit kit", "the program uv, which resolves for the device", "none", step))
    return found


def _run(line: list[str], given: str = "") -> str:
    finished = subprocess.run(line, input=given, capture_output=True, text=True, check=False)
    if finished.returncode == 0:
        return finished.stdout
    step = "connect to the network once; vendors' wheels come by --wheels DIR"
    raise UnavailableError(Problem("godwit kit", "wheels for that device", _gist(finished.stderr), step))


def _gist(told: str) -> str:
    """What went wrong, in the program's own words: the first line that says so, whole sentences joined."""
    lines = [line.strip(" ×╰─▶│") for line in told.splitlines() if line.strip(" ×╰─▶│")]
    marks = ("No space left", "Because ", "ERROR: No ", "Caused by: ", "error: ", "ERROR: ")
    telling = [line for mark in marks for line in lines if mark in line] or lines or ["no word"]
    return telling[0].rstrip(".")[:300]
