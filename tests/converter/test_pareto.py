"""The Pareto front."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from converter import pareto
from tests.converter.test_choose import LITERT, candidates, changed, compared, cost

POINTS = st.tuples(st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))


def test_the_best_in_anything_is_on_the_front_and_the_beaten_is_not() -> None:
    those = candidates(tflite_int8=0.3, tflite_float16=1.0, onnx_int8=0.5)
    assert pareto.front(those) == ["tflite-int8"]
    accurate = changed(those, "tflite-int8", chosen_on=compared(0.4))
    assert pareto.front(accurate) == ["tflite-int8", "onnx-int8"]
    assert pareto.front(changed(accurate, "onnx-int8", costs=[])) == ["tflite-float16", "tflite-int8"]


@given(st.lists(POINTS, min_size=5, max_size=5))
def test_nobody_beats_the_front_and_someone_of_it_beats_the_rest(points: list[tuple[int, int, int]]) -> None:
    those = [
        msgspec.structs.replace(each, chosen_on=compared(drop), costs=[cost(LITERT, ratio)], size_bytes=size)
        for each, (drop, ratio, size) in zip(candidates(), points, strict=True)
    ]
    by_name = dict(zip((each.recipe for each in those), points, strict=True))
    front = pareto.front(those)
    assert front
    for name, point in by_name.items():
        better = [
            other for other in points if other != point and all(a <= b for a, b in zip(other, point, strict=True))
        ]
        assert (name in front) == (not better)
