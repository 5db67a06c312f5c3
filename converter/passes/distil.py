"""Knowledge distillation (Hinton et al. 2015, arXiv 1503.02531): a student learns a teacher's answers, softened.

loss = w · T² · KL(teacher ‖ student at temperature T) + (1 - w) · task loss; with hints (Romero et al. 2015,
arXiv 1412.6550) also the squared difference of the features of layers that both have, each scaled to the teacher's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from converter.training.objective import Objective, logits, task_loss, unrounded
from converter.training.settings import HINT_WEIGHT, Settings
from firmware_profiles.errors import InputError, Problem


def distilling(teacher: Any, student: Any, settings: Settings, loss: str, hints: Sequence[str] = ()) -> Objective:
    """The objective of `finetune` for a student.

    Args:
        hints: names of layers that teacher and student both have, with answers of the same shape.

    Raises:
        InputError: the teacher takes or gives something else than the student, or a hint does not fit.
    """
    if problems := [*_unlike(teacher, student), *_odd_hints(teacher, student, hints)]:
        raise InputError(*problems)
    teacher.trainable = False
    told = _with_features(teacher, hints)
    learner = _with_features(unrounded(student), hints)
    weight, temperature = settings.teacher_weight, settings.temperature

    def objective(model: Any, x: Any, y: Any, training: bool) -> tuple[Any, Any]:
        theirs, *their_features = told(x, False)
        outputs, *features = learner(x, training)
        task = task_loss(model, outputs, y, loss)
        if loss == "crossentropy":
            taught = _softened(logits(teacher, theirs), logits(model, outputs), temperature)
        else:
            taught = tf.reduce_mean(tf.square(outputs - theirs))
        value = weight * taught + (1 - weight) * task
        for their, own in zip(their_features, features, strict=True):
            value += HINT_WEIGHT * tf.reduce_mean(tf.square(own - their)) / (tf.math.reduce_variance(their) + 1e-6)
        return value, outputs

    return objective


def _softened(theirs: Any, ours: Any, temperature: float) -> Any:
    target = tf.nn.softmax(theirs / temperature)
    difference = tf.nn.log_softmax(theirs / temperature) - tf.nn.log_softmax(ours / temperature)
    return temperature**2 * tf.reduce_mean(tf.reduce_sum(target * difference, -1))


def _with_features(model: Any, hints: Sequence[str]) -> Callable[[Any, bool], list[Any]]:
    """Answers with the model's own output and those of the layers."""
    if not hints:
        return lambda x, training: [model(x, training=training)]
    whole = keras.Model(model.inputs, [model.outputs[0], *(model.get_layer(name).output for name in hints)])
    return lambda x, training: list(whole(x, training=training))


def _unlike(teacher: Any, student: Any) -> list[Problem]:
    problems = []
    for what, ours, theirs in (("input", student.inputs, teacher.inputs), ("output", student.outputs, teacher.outputs)):
        if tuple(ours[0].shape[1:]) != tuple(theirs[0].shape[1:]):
            step = "bring a teacher for the same task"
            problems.append(Problem(f"teacher: {what}", str(ours[0].shape[1:]), str(theirs[0].shape[1:]), step))
    return problems


def _odd_hints(teacher: Any, student: Any, hints: Sequence[str]) -> list[Problem]:
    problems = []
    for name in hints:
        shapes = [
            next((tuple(layer.output.shape[1:]) for layer in model.layers if layer.name == name), None)
            for model in (teacher, student)
        ]
        if None in shapes or shapes[0] != shapes[1]:
            found = f"{shapes[0]} of the teacher, {shapes[1]} of the student"
            problems.append(Problem(f"hint {name}", "a layer of both with answers of one shape", found, "leave it out"))
    return problems
