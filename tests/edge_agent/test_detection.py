"""Boxes: suppression against TensorFlow's, what always holds of it, and the way back to the image."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_agent.flow.boxes import overlaps, suppressed
from edge_agent.flow.postprocess import Postprocessor
from firmware_profiles.errors import BundleError, InputError
from firmware_profiles.manifest import DetectionSpec, InputSpec, OutputSpec, Tensor
from firmware_profiles.results import Box, Detections
from tests.edge_agent.make_references import FILE, SUPPRESSIONS, boxes
from tests.edge_agent.support import model

TFLITE = [("boxes", [1, 3, 4]), ("classes", [1, 3]), ("scores", [1, 3]), ("count", [1])]
BOXES = np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [0.5, 0.5, 0.6, 0.6]]], np.float32)
SCORES = np.array([[0.4, 0.9, 0.1]], np.float32)
CLASSES = np.array([[2.0, 0.0, 1.0]], np.float32)


def detected(outputs: Any, shape: tuple[int, ...], pre: dict[str, Any], post: dict[str, Any], **spec: Any) -> Any:
    """Objects in an image of that shape; the model takes 100 × 100 pixels."""
    described = model(
        task="detection",
        outputs=[Tensor(str(i), list(output.shape), "float32") for i, output in enumerate(outputs)],
        pre=InputSpec("image", 100, 100, **pre),
        post=OutputSpec(detection=DetectionSpec(**spec), **post),
    )
    result = Postprocessor(described)(outputs, np.zeros((1, 100, 100, 3)), shape)
    assert isinstance(result, Detections)
    return result.objects


def test_suppression_is_tensorflows() -> None:
    scores, classes = np.linspace(1, 0, len(boxes()), dtype=np.float32), np.zeros(len(boxes()))
    with np.load(FILE) as arrays:
        for iou, most in SUPPRESSIONS:
            found = suppressed(boxes(), scores, classes, iou, most)
            np.testing.assert_array_equal(found, arrays[f"kept-{iou}-{most}"])


EDGES = st.floats(0, 50, width=32)
MANY = st.integers(0, 30).flatmap(
    lambda n: st.tuples(
        hnp.arrays(np.float32, (n, 4), elements=EDGES),
        hnp.arrays(np.float32, n, elements=st.floats(0, 1, width=32)),
        hnp.arrays(np.int64, n, elements=st.integers(0, 2)),
    )
)


@given(MANY, st.floats(0, 1), st.integers(1, 40))
def test_what_always_holds_of_suppression(many: Any, iou: float, most: int) -> None:
    corners, scores, classes = many
    edges = np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1)
    kept = suppressed(edges, scores, classes, iou, most)
    assert len(kept) == len(set(kept.tolist())) <= most
    assert (np.diff(scores[kept]) <= 0).all()
    for place, index in enumerate(kept):
        earlier = [other for other in kept[:place] if classes[other] == classes[index]]
        assert (overlaps(edges[index], edges[earlier]) <= iou).all()
    if len(kept) < most:
        for index in set(range(len(scores))) - set(kept.tolist()):
            better = [k for k in kept if classes[k] == classes[index] and scores[k] >= scores[index]]
            assert (overlaps(edges[index], edges[better]) > iou).any()
    again = suppressed(edges[kept], scores[kept], classes[kept], iou, most)
    np.testing.assert_array_equal(again, np.arange(len(kept)))


def test_boxes_that_the_model_chose_best_first_in_pixels_of_the_image() -> None:
    outputs = [BOXES, CLASSES, SCORES, np.array([3.0], np.float32)]
    first, second = detected(outputs, (50, 200), {}, {}, decoder="boxes_scores_classes")
    assert (first.label, first.box) == ("ant", Box(0, 0, 200, 50))
    assert (second.index, second.label, second.box) == (2, "cat", Box(40, 5, 120, 25))
    assert second.score == pytest.approx(0.4)
    assert second.then == {}


def test_no_more_than_the_model_counts_and_the_threshold_lets_through() -> None:
    one = [BOXES, CLASSES, SCORES, np.array([1.0], np.float32)]
    assert len(detected(one, (50, 50), {}, {}, decoder="boxes_scores_classes")) == 1
    every = [BOXES, CLASSES, SCORES, np.array([3.0], np.float32)]
    assert len(detected(every, (50, 50), {}, {"threshold": 0.05}, decoder="boxes_scores_classes")) == 3
    few = detected(every, (50, 50), {}, {"threshold": 0.05}, decoder="boxes_scores_classes", max_detections=2)
    assert [found.index for found in few] == [0, 2]


def test_other_orders_corners_and_units() -> None:
    outputs = [SCORES[0], 100 * BOXES[0]]
    spec = {"decoder": "boxes_scores_classes", "tensors": ["scores", "boxes"], "corners": "xyxy", "unit": "pixel"}
    _, second = detected(outputs, (100, 100), {}, {}, **spec)
    assert second.box == Box(10, 20, 50, 60)
    assert second.label == "ant"  # without classes there is one


@pytest.mark.parametrize("pre", [{}, {"fit": "letterbox"}, {"fit": "crop"}, {"crop": [0.1, 0.2, 0.5, 0.75]}])
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("objectness", [False, True])
def test_yolo_finds_a_box_where_it_was_drawn(pre: dict[str, Any], turned: bool, objectness: bool) -> None:
    height, width = 120, 160
    drawn = np.zeros((height, width, 3), np.uint8)
    drawn[48:72, 56:88] = 255
    from edge_agent.flow.preprocess import Preprocessor

    spec = InputSpec("image", 100, 100, resize="area", pad=0, **pre)
    seen = Preprocessor(spec, Tensor("x", [1, 100, 100, 3], "float32"))(drawn)[0, :, :, 0] > 127
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    left, right, top, bottom = columns[0], columns[-1] + 1, rows[0], rows[-1] + 1
    box = [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
    scores = [[0.9, 0.0, 0.8, 0.1], [0.9, 0.0, 0.7, 0.1], [0.5, 0.2, 0.6, 0.1], [0.1, 0.1, 0.1, 0.1]]
    table = np.array([[*box, *row[0 if objectness else 1 :]] for row in scores] * 10, np.float32)[np.newaxis]
    outputs = [table.transpose(0, 2, 1) if turned else table]
    (found,) = detected(outputs, drawn.shape, pre, {}, decoder="yolo", objectness=objectness)
    assert (found.label, found.score) == ("bee", pytest.approx(0.9 * 0.8 if objectness else 0.8))
    # A pixel of the model is at most 1.6 pixels of the image.
    edges = [found.box.left, found.box.top, found.box.right, found.box.bottom]
    np.testing.assert_allclose(edges, [56, 48, 88, 72], atol=1.7)


def test_what_was_found_on_a_bar_is_no_object() -> None:
    table = np.array([[50, 5, 20, 8, 0.0, 0.9, 0.0], [50, 22, 20, 20, 0.8, 0.0, 0.0]], np.float32)[np.newaxis]
    (found,) = detected([table], (50, 100), {"fit": "letterbox"}, {}, decoder="yolo")
    assert (found.label, found.box) == ("ant", Box(40, 0, 60, 7))


def test_logits_of_yolo() -> None:
    table = np.array([[50, 50, 20, 20, -8.0, 2.0, -8.0], [0, 0, 9, 9, -8.0, -8.0, -8.0]], np.float32)[np.newaxis]
    (found,) = detected([table], (100, 100), {}, {"activation": "sigmoid"}, decoder="yolo")
    assert found.score == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_a_model_that_calls_everything_an_object_takes_bounded_time() -> None:
    random = np.random.default_rng(3)
    table = np.concatenate([random.uniform(0, 100, (1, 30_000, 4)), np.full((1, 30_000, 3), 0.9)], axis=2)
    found = detected([table.astype(np.float32)], (100, 100), {}, {}, decoder="yolo", iou=1.0)
    assert len(found) == 100


@pytest.mark.parametrize(
    ("shapes", "spec", "told"),
    [
        ([[1, 9, 9]], {"decoder": "yolo"}, "4 \\+ 0 \\+ 3 numbers a box"),
        ([[1, 9, 7], [1, 2]], {"decoder": "yolo"}, "one output tensor"),
        ([[1, 3, 4], [1, 3]], {"decoder": "boxes_scores_classes"}, "as many as the model has outputs \\(2\\)"),
        ([[1, 3, 4], [1, 3]], {"decoder": "boxes_scores_classes", "tensors": ["boxes", "boxes"]}, "each once"),
    ],
)
def test_what_a_decoder_cannot_read_is_refused_before_the_first_input(shapes: Any, spec: Any, told: str) -> None:
    with pytest.raises(BundleError, match=told):
        detected([np.zeros(shape, np.float32) for shape in shapes], (9, 9), {}, {}, **spec)


def test_tensors_that_do_not_fit_each_other_are_an_input_error() -> None:
    outputs = [BOXES, CLASSES[:, :2], SCORES, np.array([3.0], np.float32)]
    with pytest.raises(InputError, match="3 scores, 2 classes"):
        detected(outputs, (50, 50), {}, {}, decoder="boxes_scores_classes")
