"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.broker import Broker


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real mosquitto of this test's own: `broker.port`, `.url`, `.stop()`, `.start()`."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder) as started:
        yield started
