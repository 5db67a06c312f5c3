"""Golden inputs: varied, reproducible, and nobody's data."""

from __future__ import annotations

import io

import numpy as np
import pytest

from converter import golden
from tests.converter.conftest import images


@pytest.mark.parametrize(
    ("items", "image"),
    [
        (images(120), True),
        (np.random.default_rng(3).integers(0, 256, (150, 8, 9, 3), np.uint8), True),
        (np.random.default_rng(3).normal(5, 2, (200, 49, 10, 1)).astype(np.float32), False),
        (np.random.default_rng(3).integers(-50, 50, (30, 4)).astype(np.int16), False),
    ],
)
def test_synthetic_inputs_look_like_the_data_and_are_not_it(items: golden.Array, image: bool) -> None:
    pool = golden.synthetic(items, image=image)
    assert pool.shape == (golden.POOL, *items.shape[1:])
    assert pool.dtype == items.dtype
    assert pool.min() >= items.min()
    assert pool.max() <= items.max()
    assert len({item.tobytes() for item in pool}) > golden.POOL * 0.95
    assert not {item.tobytes() for item in pool} & {item.tobytes() for item in items}
    np.testing.assert_array_equal(pool, golden.synthetic(items, image=image))


def test_few_items_leave_no_trace_of_one_of_them() -> None:
    """With a mean by pixel, one item alone would shine through every input."""
    items = np.zeros((1, 8, 8), np.uint8)
    items[0, 2, 3] = 255
    by_pixel = golden.synthetic(items, image=True).astype(float).mean(axis=0)
    assert abs(by_pixel[2, 3] - np.delete(by_pixel, 2 * 8 + 3).mean()) < 20  # it would be about 60


def test_many_classes_and_clear_leads_are_picked() -> None:
    answers = np.full((100, 4), 0.1)
    answers[:97, 0] = 0.9  # most are of one class
    answers[97:, 1:] += np.eye(3) * 0.5
    answers[0, 1] = 0.89  # hardly ahead
    chosen = golden.pick(answers, np.zeros(100), 16, 0.01, classification=True)
    assert len(chosen) == len(set(chosen)) == 16
    assert set(answers[chosen].argmax(axis=1)) == {0, 1, 2, 3}
    assert 0 not in chosen


def test_inputs_that_kernels_disagree_on_come_last() -> None:
    answers = np.tile([0.9, 0.1], (40, 1))
    unrest = np.zeros(40)
    unrest[:20] = 0.2
    assert golden.pick(answers, unrest, 16, 0.05, classification=True) == list(range(20, 36))


def test_a_regression_is_sampled_over_its_range() -> None:
    answers = np.linspace(0, 1, 100)[:, None]
    chosen = golden.pick(answers, np.zeros(100), 16, 0.01, classification=False)
    assert chosen[0] == 0
    assert chosen[-1] == 99
    assert len(chosen) == 16


def test_a_detection_is_sampled_where_its_boxes_keep_their_order() -> None:
    answers, unrest = np.linspace(0, 1, 100)[:, None], np.zeros(100)
    unrest[::2] = 0.5
    chosen = golden.pick(answers, unrest, 16, 0.01, classification=False)
    assert all(index % 2 for index in chosen)
    assert (chosen[0], chosen[-1], len(chosen)) == (1, 99, 16)
    unrest[:95], unrest[95:] = 0.5, 0
    assert set(range(95, 100)) < set(golden.pick(answers, unrest, 16, 0.01, classification=False))


def test_the_npz_has_the_same_bytes_each_time_and_numpy_reads_it() -> None:
    inputs, outputs = images(16), [np.eye(16, dtype=np.float32), np.ones((16, 2), np.float32)]
    content = golden.encode(inputs, outputs)
    assert content == golden.encode(inputs.copy(), [output.copy() for output in outputs])
    with np.load(io.BytesIO(content)) as arrays:
        assert sorted(arrays.files) == ["x", "y0", "y1"]
        np.testing.assert_array_equal(arrays["x"], inputs)
        np.testing.assert_array_equal(arrays["y1"], outputs[1])
