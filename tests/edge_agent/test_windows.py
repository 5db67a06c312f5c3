"""Windows over rows: which rows an input holds, and that none spans a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.flow.windows import Windows
from edge_agent.format_config import MAX_WINDOW_VALUES, Window
from firmware_profiles.errors import InputError


def rows(numbers: Sequence[float]) -> Any:
    """Two channels: the number and its negative."""
    return np.array([[number, -number] for number in numbers], np.float64).reshape(-1, 2)


def firsts(windows: Windows, piece: Any) -> list[list[float]]:
    """The first channel of the windows that a piece completes."""
    return [window[:, 0].tolist() for window in windows.push(piece)]


@pytest.mark.parametrize(
    ("hop", "expected"),
    [(0, [[0, 1, 2], [3, 4, 5]]), (1, [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 5]]), (4, [[0, 1, 2], [4, 5, 6]])],
    ids=["one after the other", "overlapping", "with rows left out"],
)
def test_length_and_hop(hop: int, expected: list[list[int]]) -> None:
    found = firsts(Windows(Window(3, hop)), rows(range(7)))
    assert found[: len(expected)] == expected


@given(
    length=st.integers(1, 7),
    hop=st.integers(1, 9),
    segments=st.lists(st.lists(st.integers(0, 9), max_size=5), max_size=6),
)
def test_windows_are_those_of_each_stretch_without_a_gap(length: int, hop: int, segments: list[list[int]]) -> None:
    """Whatever the pieces are cut into: compared with slices of each whole stretch."""
    windows, found, expected, number = Windows(Window(length, hop)), [], [], 0
    for segment in segments:
        begin = number
        for size in segment:
            found += firsts(windows, rows(range(number, number + size)))
            number += size
        expected += [list(range(at, at + length)) for at in range(begin, number - length + 1, hop)]
        windows.gap()
    assert found == expected


def test_a_jump_in_time_is_a_gap_and_time_is_no_input() -> None:
    windows = Windows(Window(2, time_channel=1, max_step=10))
    times = [0, 10, 20, 31, 41, 51, 40, 45]
    piece = np.array([[number, time] for number, time in enumerate(times)], np.float64)
    found = list(windows.push(piece[:3])) + list(windows.push(piece[3:]))
    assert [window.tolist() for window in found] == [[[0], [1]], [[3], [4]], [[6], [7]]]


def test_rows_of_another_width_begin_again() -> None:
    windows = Windows(Window(2))
    assert not list(windows.push(np.zeros((1, 3))))
    assert [window.shape for window in windows.push(np.zeros((3, 2)))] == [(2, 2)]


def test_a_window_is_its_own_copy_in_float32() -> None:
    first, second = Windows(Window(2, 1)).push(rows(range(3)))
    assert first.dtype == np.float32
    assert first[:, 0].tolist() == [0, 1]
    assert second[:, 0].tolist() == [1, 2]


@pytest.mark.parametrize(
    ("window", "width"), [(Window(1 << 20), (MAX_WINDOW_VALUES >> 20) + 1), (Window(2, time_channel=3), 3)]
)
def test_what_fits_in_no_window_is_refused(window: Window, width: int) -> None:
    with pytest.raises(InputError, match="window"):
        list(Windows(window).push(np.zeros((1, width))))
