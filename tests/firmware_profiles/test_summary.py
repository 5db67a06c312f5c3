"""Results on one line."""

from __future__ import annotations

import pytest

from firmware_profiles import wire
from firmware_profiles.summary import one_line

BOX = wire.Box(1.2, 2, 30, 40.6)
DOG = wire.Classification([wire.ClassScore(1, "dog", 0.754), wire.ClassScore(0, "", 0.1)])
CAT = wire.Detection(0, "cat", 0.9, BOX, {"breed": DOG})


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (DOG, "dog 0.75, 0 0.10"),
        (wire.Classification([]), "no class"),
        (wire.Regression([1.0, 2.5]), "1, 2.5"),
        (wire.Regression([21.25, 3, 4, 5, 6], ["t", "p", "q", "r", "s"], ["°C"]), "t 21.25 °C, p 3, q 4, r 5, …"),
        (wire.Detections([]), "no object"),
        (
            wire.Detections([wire.Detection(0, "cat", 0.9, BOX, {"breed": DOG})]),
            "cat 0.90 at 1,2–30,41 (breed: dog 0.75)",
        ),
        (wire.Segmentation([wire.ClassShare(0, "sky", 0.254)]), "sky 25.4 %"),
        (wire.Anomaly(0.25, None), "score 0.25"),
        (wire.Anomaly(0.25, True), "anomaly, score 0.25"),
        (wire.Embedding([1.0, 2, 3, 4, 5]), "5 values: 1, 2, 3, 4, …"),
        (wire.Raw([wire.RawTensor("y", [1, 2], [1.0, 2.0])]), "y [1, 2]: 1, 2"),
    ],
)
def test_each_result(result: wire.Result, line: str) -> None:
    assert one_line(result) == line


def test_fewer_classes() -> None:
    assert one_line(DOG, classes=1) == "dog 0.75"
