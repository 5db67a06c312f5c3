"""What a candidate loses against float."""

from __future__ import annotations

from typing import Any

import pytest

from converter import scoring
from firmware_profiles.evaluation import Evaluation, Latency, Machine
from firmware_profiles.wire import RuntimeInUse


def evaluation(**changes: Any) -> Evaluation:
    values: dict[str, Any] = {
        "bundle_sha256": "",
        "model": "m",
        "runtime": RuntimeInUse("litert", "none", "1", None, None),
        "threads": 1,
        "items": 4,
        "metric": "none",
        "value": None,
        "predicted": [],
        "values": [],
        "latency": Latency(0, 0, 0),
        "load_ms": 0.0,
        "peak_rss_bytes": 0,
        "golden_max_difference": None,
        "machine": Machine("x86_64", "", 1, "", ""),
    }
    return Evaluation(**{**values, **changes})


def test_classes_with_labels_lose_accuracy_in_points() -> None:
    float_ = evaluation(metric="top1", value=0.881, predicted=[0, 1, 2, 3])
    other = evaluation(metric="top1", value=0.871, predicted=[0, 1, 2, 2])
    assert scoring.compare("classification", float_, other) == scoring.Score(0.871, 75.0, 1.0)


def test_classes_without_labels_lose_agreement() -> None:
    float_, other = evaluation(predicted=[0, 1, 2, 3]), evaluation(predicted=[0, 1, 2, 2])
    assert scoring.compare("classification", float_, other) == scoring.Score(None, 75.0, 25.0)
    assert "no labels" in scoring.yardstick("classification", labelled=False)


def test_values_with_labels_lose_by_the_growth_of_their_error() -> None:
    float_, other = evaluation(metric="mae", value=2.0), evaluation(metric="mae", value=2.5)
    assert scoring.compare("regression", float_, other) == scoring.Score(2.5, None, 25.0)


def test_values_without_labels_lose_by_their_share_of_the_range() -> None:
    float_, other = evaluation(values=[[0.0], [10.0]]), evaluation(values=[[0.5], [10.5]])
    assert scoring.compare("regression", float_, other).drop_points == pytest.approx(5.0)
    constant = evaluation(values=[[1.0], [1.0]])
    assert scoring.compare("regression", constant, constant).drop_points == 0.0
