"""Training data is split and drawn by seed, and evaluation items are never in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.training import data, overlap
from converter.training.settings import Settings
from firmware_profiles.errors import InputError


def items(count: int = 200, classes: int = 4) -> data.Items:
    random = np.random.default_rng(0)
    return data.Items(random.random((count, 8, 8, 1), np.float32), np.arange(count) % classes)


@given(count=st.integers(40, 300), classes=st.integers(1, 6), part=st.floats(0.1, 0.5), seed=st.integers(0, 99))
def test_a_split_loses_nothing_and_each_class_gives_its_share(count: int, classes: int, part: float, seed: int) -> None:
    whole = items(count, classes)
    found = data.split(whole, Settings(held_out=part, seed=seed))
    assert len(found.train.x) + len(found.held_out.x) == count
    together = np.concatenate([found.train.x, found.held_out.x])
    assert {each.tobytes() for each in together} == {each.tobytes() for each in whole.x}
    shares = np.bincount(found.held_out.y, minlength=classes)
    assert shares.max() - shares.min() <= 2


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="would be held out"):
        data.split(items(5), Settings())


def test_batches_follow_from_seed_and_epoch() -> None:
    settings = Settings(augment=["flip", "shift", "cutout"], batch=16)

    def drawn(epoch: int, seed: int) -> Any:
        told = data.batches(items(), Settings(augment=settings.augment, batch=16, seed=seed), epoch)
        return np.concatenate([each.x for each in told])

    assert np.array_equal(drawn(3, 1), drawn(3, 1))
    assert not np.array_equal(drawn(3, 1), drawn(4, 1))
    assert not np.array_equal(drawn(3, 1), drawn(3, 2))


def test_a_shifted_image_is_the_image_with_the_mean_around_it() -> None:
    x = np.zeros((50, 8, 8, 1), np.float32)
    x[:, 3:5, 3:5] = 1
    moved = data.augmented(x, ["shift"], np.array([-1.0]), np.random.default_rng(0))
    assert moved.shape == x.shape
    assert ((moved == 1).sum(axis=(1, 2, 3)) == 4).all()
    assert (moved == -1).any()


def test_of_mixed_images_the_label_stays_that_of_the_stronger() -> None:
    x = np.zeros((50, 8, 8, 1), np.float32)
    x[::2] = 1
    mixed = data.augmented(x, ["mix"], np.array([-1.0]), np.random.default_rng(0))
    moved = np.abs(mixed - x)
    assert moved.max() <= 0.5
    assert 10 < (moved.max(axis=(1, 2, 3)) > 0).sum() < 40
    assert np.array_equal(moved.min(axis=(1, 2, 3)), moved.max(axis=(1, 2, 3)))


def test_evaluation_items_in_the_training_data_are_refused(tmp_path: Path) -> None:
    whole = items()
    np.savez(tmp_path / "training.npz", x=whole.x, y=whole.y)
    np.savez(tmp_path / "evaluation.npz", x=np.concatenate([whole.x[:3], whole.x[:5] + 1]))
    with pytest.raises(InputError, match="3 of 8 evaluation items"):
        overlap.check(tmp_path / "training.npz", tmp_path / "evaluation.npz", "training")
    np.savez(tmp_path / "evaluation.npz", x=whole.x[:5] + 1)
    overlap.check(tmp_path / "training.npz", tmp_path / "evaluation.npz", "training")
