"""The stdin source on real descriptors: a pipe, a file, and one that is closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge_agent.flow.source import Ended
from edge_agent.format_config import Csv, Json, Window
from edge_agent.source_config import Stdin
from tests.edge_agent.polling import contents, failure, next_item, opened

SETTINGS = Stdin(name="in", format=Csv(2))


def test_rows_from_a_pipe_until_it_is_closed() -> None:
    ours, theirs = os.pipe()
    with opened(SETTINGS, stdin=ours) as source:
        assert source.poll() is None
        assert source.fileno() == ours
        os.write(theirs, b"1,2\n3,")
        assert contents(source, 1) == [[1, 2]]
        assert source.poll() is None
        os.write(theirs, b"4\n5,6")
        os.close(theirs)
        assert contents(source, 2) == [[3, 4], [5, 6]]  # the last line needs no end
        with pytest.raises(Ended):
            next_item(source)
    assert os.get_blocking(ours)  # it is shared with others
    os.close(ours)


def test_rows_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").write_text('{"x": 1}\n{"x": 2}\n{"x": 3}\n')
    with (tmp_path / "d.jsonl").open("rb") as stream:
        settings = Stdin(name="in", format=Json(["x"]), window=Window(2, 1))
        with opened(settings, stdin=stream.fileno(), reached=6) as source:
            assert [next_item(source).position for _ in range(2)] == [7, 8]
            with pytest.raises(Ended):
                next_item(source)


def test_no_standard_input_is_told() -> None:
    with opened(SETTINGS, stdin=-1) as source:
        assert "standard input: expected an open one, found none" in failure(source)
