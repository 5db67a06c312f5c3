"""A wheel of the agent as it lies here, and device roots whose agent a launcher starts."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edge_agent import launcher
from edge_agent.layout import Root
from edge_agent.ota import agent_slots
from firmware_profiles.profile import userland_arch
from fleet import agent_code

HERE = Path(__file__).parents[2]
TAG = launcher.HERE
_RESTART_S = 0.2


def wheel(folder: Path, version: str = "0.1.0", changes: Mapping[str, str] | None = None) -> Path:
    """A folder with godwit's own wheel, whose file `name` holds `changes[name]` instead; the rest is the venv's."""
    folder.mkdir()
    files = {path: (HERE / path).read_bytes().decode("utf-8", "surrogateescape") for path in _own_files()}
    return small_wheel(folder, version, {**files, **(changes or {})})


def _own_files() -> list[str]:
    found = (path for package in ("edge_agent", "firmware_profiles") for path in (HERE / package).rglob("*"))
    return sorted(str(path.relative_to(HERE)) for path in found if path.is_file() and path.suffix != ".pyc")


def small_wheel(folder: Path, version: str, files: Mapping[str, str]) -> Path:
    """A folder with a wheel that calls itself godwit's and holds just `files`."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / f"godwit-{version}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content.encode("utf-8", "surrogateescape"))
        archive.writestr(f"godwit-{version}.dist-info/METADATA", f"Name: godwit\nVersion: {version}\n")
        archive.writestr(f"godwit-{version}.data/scripts/edge-agent", "nobody's")
    return folder


def code_file(folder: Path, version: str = "0.1.0", changes: Mapping[str, str] | None = None) -> Path:
    """The `.godwit-agent` file of such a wheel."""
    folder.mkdir(exist_ok=True)
    return agent_code.build(wheel(folder / version, version, changes), TAG, userland_arch(), folder)  # type: ignore[arg-type]


def small_code_file(folder: Path, version: str, main: str) -> Path:
    """A `.godwit-agent` file in which `python -m edge_agent` runs `main`, and nothing else is."""
    return code_of(folder, version, {"edge_agent/__init__.py": "", "edge_agent/__main__.py": main})


def code_of(folder: Path, version: str, files: Mapping[str, str]) -> Path:
    """A `.godwit-agent` file of a wheel that holds just `files`."""
    wheels = small_wheel(folder / version, version, files)
    return agent_code.build(wheels, TAG, userland_arch(), folder)  # type: ignore[arg-type]


def first_code(root: Root, file: Path) -> None:
    """As a first installation does."""
    agent_slots.stage(file, root)
    agent_slots.activate(root)
    agent_slots.mark_proven(root)
    shutil.copy(launcher.__file__, root.agent_code / "launcher.py")


def launch(root: Root, **options: int) -> subprocess.Popen[str]:
    """The launcher, as the device's service starts it."""
    command = [sys.executable, "-I", "-S", str(root.agent_code / "launcher.py"), str(root.folder)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


@contextmanager
def kept_running(root: Root) -> Iterator[list[str]]:
    """The launcher for the time of the block, started anew whenever it ends, as systemd does; what ended ones said."""
    told: list[str] = []
    running = [launch(root)]
    stopped = threading.Event()

    def keep() -> None:
        while not stopped.is_set():
            told.append(running[-1].communicate()[1])
            if not stopped.wait(_RESTART_S):
                running.append(launch(root))

    thread = threading.Thread(target=keep)
    thread.start()
    try:
        yield told
    finally:
        stopped.set()
        while thread.is_alive():
            running[-1].terminate()
            thread.join(_RESTART_S)
