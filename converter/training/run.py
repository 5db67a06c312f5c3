"""What Keras does for a recipe that trains: from a Keras model to a smaller one, or to an int8 TFLite file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from converter.formats import own_layers
from converter.passes import channels, distil, fold_keras, qat, qat_export
from converter.passes.keras_graph import copied
from converter.passes.keras_kernels import kernels
from converter.passes.qat_layers import Rounded
from converter.training import data, fits, loop, objective, recipe, students
from converter.training.data import Array, Items, Split
from converter.training.protocol import Train, Trained
from converter.training.recipe import Made
from converter.training.settings import Settings
from converter.training.stepping import Kernel, Rule, Run
from converter.training.steps import Steps, parse

_SEEN = 1000
"""Items that tell what each layer suffers without some of its channels."""

_MOMENTUM = 0.97
"""Of batch normalization at most: its statistics must follow in few epochs what thinning and zeros change."""


def run(request: Train, tell: Callable[[str], None]) -> Trained:
    """Train and write the file. Raises InputError; stepping.TooLittleTimeError."""
    return recipe.run(request, tell, _Keras)


class _Keras:
    """See `recipe.Framework`."""

    def __init__(self, request: Train) -> None:
        keras.utils.set_random_seed(request.settings.seed)
        self._request = request
        if request.layers:
            own_layers.register(Path(request.layers))
        self._original = load(Path(request.model), request.format)
        self._teacher = load(Path(request.teacher), "keras") if request.teacher else self._original
        self.loss = fits.kind(request.settings.loss, request.task)

    def items(self) -> Items:
        items = data.read(Path(self._request.data))
        objective.check(self._original, items, self.loss, "training data")
        return items

    def judged(self, items: Items) -> float:
        return loop.judged(self._original, items, self.loss)[1]

    def student(self, steps: Steps, split: Split) -> Made:
        original = self._original
        if steps.student and not steps.width:
            made, said = students.sized(steps.student, original, self._request.room)
        elif steps.student:
            made = students.made(steps.student, steps.width, original)
            said = [f"{steps.student}: {made.count_params():,} weights, the model has {original.count_params():,}"]
        else:
            made, said = copied(original), []
        for layer in made.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = min(layer.momentum, _MOMENTUM)
        if not steps.channels:
            return self._shared(steps, made, said)
        scores = channels.importance(made, self._request.settings.channels_by, split.train, self.loss)
        thinned = channels.thinned(made, self._ratios(made, steps, split, scores), scores, split.train.x[:_SEEN])
        return self._shared(steps, thinned.model, [*said, *thinned.said])

    def _ratios(
        self, model: Any, steps: Steps, split: Split, scores: Mapping[str, Array]
    ) -> float | Mapping[str, float]:
        if steps.inside:
            return channels.inside(model, steps.channels)
        if self._request.settings.channels_ratios == "even":
            return steps.channels / 100
        some = Items(split.train.x[:_SEEN], split.train.y[:_SEEN])
        return channels.by_sensitivity(
            model, steps.channels, lambda each: loop.judged(each, some, self.loss)[0], scores
        )

    def _shared(self, steps: Steps, student: Any, said: list[str]) -> Made:
        """Values that are shared stay so in the file only where no batch normalization scales them by channel."""
        if not steps.cluster:
            return Made(student, said)
        folded = fold_keras.folded(student)
        return Made(folded.model, [*said, *folded.said])

    def kernels(self, student: Any) -> Sequence[tuple[str, Kernel]]:
        return kernels(student)

    def run(self, student: Any, split: Split, settings: Settings, distil_it: bool, rules: Sequence[Rule]) -> Run:
        simulated = any(isinstance(layer, Rounded) for layer in student.layers)  # has other layers' answers
        hints = [] if simulated else settings.hints
        wanted = (
            distil.distilling(self._teacher, student, settings, self.loss, hints)
            if distil_it
            else objective.plain(self.loss)
        )
        return loop.Run(student, split.train, settings, wanted, self.loss, rules)

    def prepared(self, student: Any, seen: Array) -> Made:
        by_tensor = bool(parse(self._request.recipe, "recipe").cluster)
        return Made(*qat.prepared(student, seen, by_tensor=by_tensor))

    def save(self, student: Any, target: str) -> str:
        path = f"{target}.keras"
        student.save(path)
        return path

    def export(self, student: Any, target: str, seen: Array) -> str:
        return qat_export.write(student, self._original, target, seen)


def load(path: Path, source_format: str) -> Any:
    """A Keras model. Raises InputError."""
    from converter.formats.keras import load_model

    return load_model(path, "h5" if source_format == "h5" else "keras")
