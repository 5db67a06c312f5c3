"""A repository, a server of it, and the client that begins to trust it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.trial import Tree, Trial
from tests.edge_agent.ota.hostile import Server, serving


@pytest.fixture
def repository(tmp_path: Path) -> Tree:
    return Tree(tmp_path / "repository")


@pytest.fixture
def server(repository: Tree) -> Iterator[Server]:
    with serving(repository.folder) as running:
        yield running


@pytest.fixture
def trial(tmp_path: Path, server: Server, repository: Tree) -> Trial:
    made = Trial(tmp_path, server)
    assert made.init(repository.first_root) == 0
    return made
