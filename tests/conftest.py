"""Fixtures that several packages' tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tools.broker import Broker

# By default hypothesis fails an example that takes 200 ms: one fsync on a busy disk takes longer.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A real mosquitto of this test's own: `broker.port`, `.url`, `.stop()`, `.start()`."""
    folder = tmp_path / "broker"
    folder.mkdir()
    with Broker(folder) as started:
        yield started
