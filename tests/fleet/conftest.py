"""What the tests of the signed repository share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fleet.repositories import Command


@pytest.fixture
def godwit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command, and where its repository goes."""
    return Command(tmp_path, capsys)
