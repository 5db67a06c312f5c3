"""When the folder source takes a file."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from edge_agent.flow.folder import FolderSource
from edge_agent.flow.source import Item
from tests.edge_agent.test_payload import hostile_npy


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


def test_files_that_cannot_be_read_are_rejected_and_the_next_is_taken(tmp_path: Path) -> None:
    source = FolderSource(tmp_path, [])
    (tmp_path / "a.npy").write_bytes(hostile_npy("(100000000000,)"))
    (tmp_path / "b.csv").write_text("x,y\n1,nan\n")
    (tmp_path / "c.png").write_bytes(b"no picture")
    np.save(tmp_path / "d.npy", np.zeros(3))
    (tmp_path / "e.csv").write_text("a,b\n1,2\n")
    assert after_a_scan(source) is None
    found = {}
    while item := source.poll() or after_a_scan(source):
        found[item.position] = str(item.content)
        (tmp_path / "d.npy").unlink(missing_ok=True)
    assert list(found) == ["a.npy", "b.csv", "c.png", "d.npy", "e.csv"]
    assert "bytes after the header" in found["a.npy"]
    assert "finite numbers" in found["b.csv"]
    assert "a whole image" in found["c.png"]
    assert "no such file" in found["d.npy"]
    assert found["e.csv"] == "[1. 2.]"
