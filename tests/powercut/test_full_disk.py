"""A disk that is full, or fails, at a change of an update: an exit code, and the old model still predicts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.powercut import material, paths
from tests.powercut.cuts import Bench
from tests.powercut.test_powercut import pytestmark as pytestmark  # the same need of strace

EVERY = 13


@pytest.mark.parametrize(
    ("way", "error"),
    [
        (paths.Path("found", {}), "ENOSPC"),
        (paths.Path("brought", {}), "EIO"),
        (paths.Path("found", {}, "agent"), "ENOSPC"),
        (paths.Path("found", {}, "first"), "EIO"),
    ],
)
def test_a_disk_that_refuses(tmp_path: Path, way: paths.Path, error: str) -> None:
    bench = Bench(material.make(tmp_path / "light"), tmp_path)
    recorded = bench.record(way)
    for change in range(len(error), len(recorded.changes), EVERY):
        bench.refuse(change, recorded, error)
