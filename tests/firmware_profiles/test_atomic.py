"""A file is the old one or the new one, and nothing else stays in the folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from firmware_profiles import atomic


class LightningError(Exception):
    """The power goes out in the middle of a block."""


def fail_while_writing(path: Path) -> None:
    """Write half of a new file to `path`, then fail."""
    with atomic.writer(path) as stream:
        stream.write(b"half of the new")
        raise LightningError


def test_a_block_that_ends_well_becomes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    with pytest.raises(LightningError):
        fail_while_writing(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_block_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(LightningError):
        fail_while_writing(tmp_path / "state")
    assert list(tmp_path.iterdir()) == []


def test_a_target_that_cannot_be_replaced_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write_bytes(path, b"new")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o755])
def test_the_mode_is_the_one_asked_for(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "state"
    with atomic.writer(path, mode) as stream:
        stream.write(b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_old_file_is_there_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"old")
    with atomic.writer(path) as stream:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"


def test_a_link_is_made_and_replaced(tmp_path: Path) -> None:
    link = tmp_path / "current"
    for slot in ("a", "b"):
        (tmp_path / slot).mkdir()
        atomic.replace_link(link, slot)
        assert link.resolve() == tmp_path / slot
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "current"]


def test_a_link_left_by_a_power_cut_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / ".current.tmp").symlink_to("nowhere")
    atomic.replace_link(tmp_path / "current", "b")
    assert (tmp_path / "current").readlink() == Path("b")
