"""Results on one line."""

from __future__ import annotations

import pytest

from firmware_profiles import results
from firmware_profiles.summary import one_line

BOX = results.Box(1.2, 2, 30, 40.6)
DOG = results.Classification([results.ClassScore(1, "dog", 0.754), results.ClassScore(0, "", 0.1)])
CAT = results.Detection(0, "cat", 0.9, BOX, {"breed": DOG})


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (DOG, "dog 0.75, 0 0.10"),
        (results.Classification([]), "no class"),
        (results.Regression([1.0, 2.5]), "1, 2.5"),
        (results.Regression([21.25, 3, 4, 5, 6], ["t", "p", "q", "r", "s"], ["°C"]), "t 21.25 °C, p 3, q 4, r 5, …"),
        (results.Detections([]), "no object"),
        (
            results.Detections([results.Detection(0, "cat", 0.9, BOX, {"breed": DOG})]),
            "cat 0.90 at 1,2–30,41 (breed: dog 0.75)",
        ),
        (results.Segmentation([results.ClassShare(0, "sky", 0.254)]), "sky 25.4 %"),
        (results.Anomaly(0.25, None), "score 0.25"),
        (results.Anomaly(0.25, True), "anomaly, score 0.25"),
        (results.Embedding([1.0, 2, 3, 4, 5]), "5 values: 1, 2, 3, 4, …"),
        (results.Raw([results.RawTensor("y", [1, 2], [1.0, 2.0])]), "y [1, 2]: 1, 2"),
    ],
)
def test_each_result(result: results.Result, line: str) -> None:
    assert one_line(result) == line


def test_fewer_classes() -> None:
    assert one_line(DOG, classes=1) == "dog 0.75"
