"""`[training]` in the project file: how the recipes that train do it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.words import Positive

Augmentation = Literal["flip", "shift", "cutout", "mix"]
"""flip: left and right, half of the images; shift: by up to an eighth of each side; cutout: a square of a quarter
of each side becomes the mean (DeVries & Taylor 2017, arXiv 1708.04552); mix: half of the images get up to a half of
another one blended in (Zhang et al. 2018, arXiv 1710.09412) and keep their label; a teacher answers to what it sees."""

Loss = Literal["auto", "crossentropy", "squared"]
"""auto: cross-entropy where the task is classification, squared error elsewhere."""

HINT_WEIGHT = 1.0
"""Of a hint beside what the answers themselves teach."""


class Settings(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[training]`.

    Attributes:
        recipes: names of recipes that train, as in channels50+distil+qat-int8; the usual ones where empty.
        teacher: a .keras model that distillation learns from, relative to the project file; the model itself
            where empty.
        channels_by: what tells how much a channel matters: how the loss would change without it (taylor), the size of
            its weights (l1, l2), or the scale of the batch normalization after it (norm).
        channels_ratios: even: every layer loses the same part; sensitivity: those that hurt least lose more.
        hints: names of layers that model and teacher both have; distillation in float brings their answers together
            too (Romero 2015, arXiv 1412.6550).
        epochs: of one step of a recipe, at most.
        learning_rate: the largest, of Adam; it falls to a hundredth in a half cosine.
        decay: λ of λ‖w‖² over all kernels.
        augment: what is done to images while training; nothing to other inputs.
        held_out: part of the training data that only says when to stop.
        patience: epochs without a better held-out loss after which training stops; counted from the epoch
            from which on the model is in its last form (all zeros in place, all ranges found).
        temperature, teacher_weight: of distillation (Hinton 2015, arXiv 1503.02531): the loss is
            teacher_weight · T² · KL + (1 - teacher_weight) · task loss. High, since training data is mostly
            less than the original saw: its answers hold what it learned from the rest.
        seed: of everything that is drawn.
    """

    recipes: list[str] = []
    teacher: str = ""
    channels_by: Literal["taylor", "l1", "l2", "norm"] = "taylor"
    channels_ratios: Literal["even", "sensitivity"] = "even"
    hints: list[str] = []
    epochs: Annotated[int, Meta(ge=1, le=10_000)] = 30
    batch: Annotated[int, Meta(ge=1, le=4096)] = 64
    learning_rate: Positive = 1e-3
    decay: Annotated[float, Meta(ge=0, le=1)] = 1e-5
    loss: Loss = "auto"
    augment: list[Augmentation] = []
    held_out: Annotated[float, Meta(gt=0, lt=1)] = 0.1
    patience: Annotated[int, Meta(ge=1, le=10_000)] = 8
    temperature: Positive = 4.0
    teacher_weight: Annotated[float, Meta(ge=0, le=1)] = 0.9
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
