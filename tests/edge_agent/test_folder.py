"""When the folder source takes a file."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edge_agent.flow.folder import FolderSource
from edge_agent.flow.source import Item


def after_a_scan(source: FolderSource) -> Item | None:
    time.sleep(0.25)  # it scans every 0.2 s
    return source.poll()


def test_a_file_is_taken_when_it_stopped_changing(tmp_path: Path) -> None:
    source = FolderSource(tmp_path, [])
    np.save(tmp_path / "a.npy", np.zeros(3))
    whole = (tmp_path / "a.npy").read_bytes()
    for length in (40, 60, 100):
        (tmp_path / "a.npy").write_bytes(whole[:length])
        assert after_a_scan(source) is None
    (tmp_path / "a.npy").write_bytes(whole)
    assert after_a_scan(source) is None
    item = after_a_scan(source)
    assert item is not None
    assert item.position == "a.npy"
    assert after_a_scan(source) is None


def test_positions_that_vanished_are_told_once(tmp_path: Path) -> None:
    np.save(tmp_path / "here.npy", np.zeros(3))
    source = FolderSource(tmp_path, ["gone.npy", "here.npy"])
    assert source.poll() is None
    assert source.gone() == ["gone.npy"]
    assert source.gone() == []
