"""Commands of the fleet in this process: their modules are loaded once for all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from godwit import cli
from tests.fleet.repositories import Command


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
