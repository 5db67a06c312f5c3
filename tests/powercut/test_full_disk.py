"""A disk that is full, or fails, at a change of an update: an exit code, and the old model still predicts."""

from __future__ import annotations

import pytest

from tests.powercut import paths
from tests.powercut.cuts import Bench
from tests.powercut.test_powercut import bench as bench
from tests.powercut.test_powercut import pytestmark as pytestmark  # the same need of strace
from tests.powercut.test_powercut import room as room

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
def test_a_disk_that_refuses(bench: Bench, way: paths.Path, error: str) -> None:
    recorded = bench.record(way)
    for change in range(len(error), len(recorded.changes), EVERY):
        bench.refuse(change, recorded, error)
