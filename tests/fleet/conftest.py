"""Commands of the fleet in this process: their modules are loaded once for all tests."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from godwit import cli
from tests.fleet.repositories import Command
from tests.sshd import Sshd


class Ended(NamedTuple):
    """How a command ended, as a process would."""

    returncode: int
    stdout: str
    stderr: str


Flash = Callable[..., Ended]


@pytest.fixture
def godwit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, and where its repository goes."""
    return Command(tmp_path, capsys)


@pytest.fixture
def flash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Flash:
    """Runs `godwit flash` with these words; the user's own signing repository is this test's."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def run(*words: str | Path) -> Ended:
        code = cli.run(["flash", *map(str, words)])
        return Ended(code, *capsys.readouterr())

    return run


def staged(root: Path) -> list[Path]:
    """What arrived for that root and was not installed."""
    name = f"godwit-flash-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}-{os.geteuid()}"
    return [path for path in Path("/var/tmp", name).rglob("*") if path.is_file()]  # noqa: S108  # where it stages


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sshd]:
    """This machine by another name; commands there find programs of `device/bin` first."""
    (tmp_path / "device" / "bin").mkdir(parents=True)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with Sshd(tmp_path / "device", tmp_path / "device" / "bin") as sshd:
        monkeypatch.setenv("PATH", f"{sshd.path}:{os.environ['PATH']}")
        yield sshd


@pytest.fixture
def root(device: Sshd, tmp_path: Path) -> Iterator[Path]:
    """The device root; whatever happened, what arrived for it is gone at the end."""
    root = tmp_path / "device" / "root"
    yield root
    for left in staged(root):
        left.unlink()
