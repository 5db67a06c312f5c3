"""A repository, and a device that trusts it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_agent.ota import refreshing
from tests.edge_agent.ota.signing import Device, Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def device(tmp_path: Path, repository: Repository) -> Device:
    made = Device(tmp_path / "device")
    refreshing.pin(made.root, repository.first_root)
    return made
