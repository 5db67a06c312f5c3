"""One server for the tests that leave it as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edge_agent.support import write_bundle
from tests.edge_agent.web.served import Served


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model: gray images 6 × 6, three classes."""
    return write_bundle(tmp_path_factory.mktemp("web") / "tiny.godwit")


@pytest.fixture(scope="session")
def served(bundle: Path) -> Iterator[Served]:
    """A server with it."""
    server = Served(bundle)
    yield server
    server.stop()
