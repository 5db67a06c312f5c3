"""Results of the other tasks."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_agent.flow.numbers import MAX_VALUES, best
from edge_agent.flow.postprocess import Postprocessor
from firmware_profiles import results, wire
from firmware_profiles.errors import BundleError, InputError
from firmware_profiles.manifest import InputSpec, OutputSpec, Tensor
from firmware_profiles.results import (
    Anomaly,
    Classification,
    ClassShare,
    Embedding,
    Raw,
    RawTensor,
    Regression,
    Segmentation,
)
from tests.edge_agent.support import model


def post(task: str, *outputs: Any, tensor: Any = None, shape: tuple[int, ...] = (6, 6), **changes: Any) -> Any:
    """The result of output tensors, read back as from the wire."""
    arrays = [np.asarray(output, np.float32) for output in outputs]
    tensor = np.zeros((1, 6, 6, 1), np.float32) if tensor is None else tensor
    spec = {key: value for key, value in changes.items() if key in OutputSpec.__struct_fields__}
    others = {key: value for key, value in changes.items() if key not in spec}
    described = model(
        task=task,
        inputs=[Tensor("in", list(tensor.shape), "float32")],
        outputs=[Tensor(f"out{i}", list(array.shape), "float32") for i, array in enumerate(arrays)],
        post=OutputSpec(**spec),
        **others,
    )
    result = Postprocessor(described)(arrays, tensor, shape)
    assert wire.msgspec.json.decode(wire.encode(result), type=results.Result) == result
    return result


def test_classes_below_the_threshold_are_not_reported() -> None:
    found = post("classification", [[0.2, 0.5, 0.3]], threshold=0.25)
    assert [score.label for score in found.top] == ["bee", "cat"]
    assert post("classification", [[0.2, 0.5, 0.3]], threshold=0.9) == Classification([])


def test_classes_that_stand_alone() -> None:
    found = post("classification", [[-200.0, 0.0, 200.0]], activation="sigmoid")
    assert [score.score for score in found.top] == [1.0, 0.5, pytest.approx(0, abs=1e-30)]


@given(hnp.arrays(np.float32, st.integers(1, 150), elements=st.floats(-5, 5, width=32)), st.integers(1, 100))
def test_the_best_are_those_of_a_stable_sort(scores: Any, most: int) -> None:
    order = np.argsort(-scores, kind="stable")[:most]
    assert best(scores, most) == [(int(index), float(scores[index])) for index in order]


def test_values_come_in_their_own_units() -> None:
    found = post("regression", [[0.5, 2.0]], scale=[10.0], offset=[0.0, -1.0], names=["t", "p"], units=["°C", "bar"])
    assert found == Regression([5.0, 19.0], ["t", "p"], ["°C", "bar"])


def test_the_error_of_a_reconstruction() -> None:
    random = np.random.default_rng(1)
    given_, rebuilt = random.normal(0, 1, (2, 1, 640)).astype(np.float32)
    apart = (given_ - rebuilt).reshape(-1).astype(float).tolist()
    squared = post("anomaly", rebuilt, tensor=given_, threshold=1.0)
    assert squared.score == pytest.approx(statistics.fmean(each**2 for each in apart), rel=1e-5)
    assert squared.is_anomaly is True
    absolute = post("anomaly", rebuilt, tensor=given_, error="mae", threshold=9.0)
    assert absolute.score == pytest.approx(statistics.fmean(map(abs, apart)), rel=1e-5)
    assert absolute.is_anomaly is False
    assert post("anomaly", given_, tensor=given_) == Anomaly(0.0, None)


def test_embeddings() -> None:
    assert post("embedding", [[3.0, 4.0]]) == Embedding([3.0, 4.0])
    assert post("embedding", [[3.0, 4.0]], normalise=True).vector == pytest.approx([0.6, 0.8])
    assert post("embedding", [[0.0, 0.0]], normalise=True) == Embedding([0.0, 0.0])


def test_raw_is_every_tensor() -> None:
    found = post("raw", [[1.0, 2.0]], [[[3.0], [4.0]]])
    assert found == Raw([RawTensor("out0", [1, 2], [1.0, 2.0]), RawTensor("out1", [1, 2, 1], [3.0, 4.0])])


PLANES = np.zeros((1, 4, 4, 3), np.float32)
PLANES[..., 0] = 0.5
PLANES[0, 1:3, :, 1] = 1  # half of the pixels
PLANES[0, 1, 0, 2] = 2  # one of them


@pytest.mark.parametrize(
    ("planes", "layout"),
    [(PLANES, "nhwc"), (PLANES.transpose(0, 3, 1, 2), "nchw"), (PLANES.argmax(axis=3), "nhwc")],
)
def test_shares_of_the_pixels(planes: Any, layout: Any) -> None:
    found = post("segmentation", planes, pre=InputSpec("image", 4, 4, layout=layout), shape=(40, 40))
    expected = [ClassShare(0, "ant", 8 / 16), ClassShare(1, "bee", 7 / 16), ClassShare(2, "cat", 1 / 16)]
    assert found == Segmentation(expected)


def test_bars_do_not_count() -> None:
    found = post("segmentation", PLANES, pre=InputSpec("image", 8, 8, fit="letterbox"), shape=(20, 40))
    assert found == Segmentation([ClassShare(1, "bee", 7 / 8), ClassShare(2, "cat", 1 / 8)])


def test_one_plane_is_yes_or_no() -> None:
    plane = np.array([[[[0.4], [0.6]], [[0.1], [-0.2]]]])
    for activation, share in (("none", 0.25), ("sigmoid", 0.75)):
        found = post("segmentation", plane, pre=InputSpec("image", 2, 2), activation=activation)
        assert {each.index: each.share for each in found.classes}[1] == share


@pytest.mark.parametrize("task", ["classification", "regression", "embedding", "raw", "anomaly", "segmentation"])
def test_no_finite_answer_is_no_answer(task: str) -> None:
    for odd in (math.nan, math.inf, -math.inf):
        output = np.zeros((1, 6, 6, 1))
        output[0, 3, 3, 0] = odd
        with pytest.raises(InputError, match="NaN"):
            post(task, output)


def test_large_numbers_are_finite() -> None:
    assert post("regression", np.full((1, 100), 3e38)).values == pytest.approx([3e38] * 100)


@pytest.mark.parametrize("task", ["regression", "embedding", "raw"])
def test_a_result_that_no_message_could_carry_is_an_input_error(task: str) -> None:
    with pytest.raises(InputError, match=f"at most {MAX_VALUES} values"):
        post(task, np.zeros((1, MAX_VALUES + 1)))


@pytest.mark.parametrize(
    ("task", "changes", "told"),
    [
        ("anomaly", {}, "as many values as the input has"),
        ("regression", {"scale": [1.0, 2.0]}, "output.scale"),
        ("regression", {"names": ["a", "b"]}, "output.names"),
        ("segmentation", {}, "scores of at most 255 classes"),
        ("detection", {}, "a table .output.detection."),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused_before_the_first_input(task: str, changes: Any, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        post(task, np.zeros((1, 3)), **changes)
