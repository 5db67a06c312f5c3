"""Progress tells about how long it will take."""

from __future__ import annotations

import pytest

from converter.progress import Progress


def test_the_time_left_is_told_once_there_is_a_pace(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    progress.expect(3)
    for step in ("one", "two", "three", "more"):
        progress(step)
    lines = capsys.readouterr().err.splitlines()
    assert ["left]" in line for line in lines] == [False, True, True, False]
    assert [line.rpartition("] ")[2] for line in lines] == ["one", "two", "three", "more"]
