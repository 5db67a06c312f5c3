"""The bench's own parts that decide something: the verdicts of its table, and what becomes of a peer that crashes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.converter import Made, Row, measure
from bench.converter_report import report
from bench.models import BENCHMARKS
from bench.ours import Search
from bench.peers.attempts import attempt, failures

BENCHMARK = BENCHMARKS[0]._replace(size_bytes=1000, ratio=0.5)
FLOAT = Made("float", "tflite", 4000, 90.0, 10.0, 1.0)
PEER = Made("a peer's int8", "tflite", 1200, 89.6, 4.0, 0.4)
CARELESS = Made("a careless peer", "tflite", 500, 80.0, 1.0, 0.1)


def summary(winner: Made | None) -> str:
    search = Search("tflite-int8" if winner else "", "" if winner else "nothing met the goal", None, 30.0, 1.0)
    row = Row(BENCHMARK, search, winner, [FLOAT], [PEER, CARELESS], {"another.onnx": "died of signal 11"})
    lines = report([row])
    assert "| ResNet8 `.h5` | another.onnx | failed: died of signal 11 |  |  |  |" in lines
    return next(line for line in lines if "≤ 1,000 B" in line)


@pytest.mark.parametrize(
    ("size_bytes", "ratio", "accuracy_percent", "verdict"),
    [(1000, 0.5, 89.5, "yes"), (1001, 0.5, 89.5, "no"), (1000, 0.51, 89.5, "no"), (1000, 0.5, 89.4, "no")],
)
def test_it_is_reached_by_one_file_or_not(size_bytes: int, ratio: float, accuracy_percent: float, verdict: str) -> None:
    line = summary(Made("godwit", "tflite", size_bytes, accuracy_percent, 5.0, ratio))
    assert f"| {verdict} |" in line.replace("*", "")
    assert line.count("a peer's int8") == 2, "the careless one loses too much to count"


def test_a_search_without_a_winner_is_told() -> None:
    assert "none: nothing met the goal" in summary(None)


def test_a_crash_costs_one_file(tmp_path: Path) -> None:
    def refuses() -> bytes:
        raise ValueError("not this\nmodel")

    for _ in range(2):
        if (child := os.fork()) == 0:
            attempt(tmp_path, {"good": lambda: b"1", "dies": lambda: os._exit(3), "odd": refuses, "late": lambda: b"2"})
            os._exit(0)
        os.waitpid(child, 0)
    assert failures(tmp_path) == {"dies": "its process died", "odd": "not this model"}
    assert ((tmp_path / "good").read_bytes(), (tmp_path / "late").read_bytes()) == (b"1", b"2")


def test_models_that_are_missing_are_left_out_loudly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = BENCHMARK._replace(source=tmp_path / "nowhere.h5")
    assert measure([missing], tmp_path) == []
    assert "LEFT OUT: ResNet8 `.h5`" in capsys.readouterr().err
