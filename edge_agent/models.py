"""The models of a deployment, ready to answer: each with its pipeline, and what flows between them."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence

from edge_agent.channel import Answer
from edge_agent.deployment import Deployment
from edge_agent.pipeline import Pipeline, checked_model, choose
from edge_agent.runtimes.base import Array
from firmware_profiles.wire import RuntimeInUse, SkippedRuntime


class Models:
    """Proved models by name.

    Attributes:
        pipelines: by model.
        entries: names of the models that inputs go to, unless their source says otherwise.
    """

    def __init__(self, pipelines: Mapping[str, Pipeline], deadline_s: float) -> None:
        self.pipelines = pipelines
        self.entries = list(pipelines)
        self._deadline_s = deadline_s

    def in_use(self) -> dict[str, RuntimeInUse]:
        """What runs each model."""
        return {name: pipeline.in_use for name, pipeline in self.pipelines.items()}

    def answers(self, names: Sequence[str], raw: Array) -> list[Answer]:
        """What each of the models `names` says about one raw input.

        An inference that takes longer than the deadline ends this process: the alarm's default action
        works even where a runtime hangs in C.

        Raises:
            InputError: a model cannot take it, or gives no finite answer.
        """
        return [self._answer(name, raw) for name in names]

    def _answer(self, name: str, raw: Array) -> Answer:
        began_s = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, self._deadline_s)
        try:
            result = self.pipelines[name].predict(raw)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return Answer(name, result, round((time.perf_counter() - began_s) * 1e3, 3))


def prove(deployment: Deployment, skipped: Sequence[SkippedRuntime], deadline_s: float) -> Models:
    """Verify the hashes, load every model, check its golden vectors.

    Raises:
        GodwitError: a file was changed, or a model cannot be run with the right answers.
    """
    deployment.verify()
    models = [checked_model(model) for model in deployment.manifest.models]
    return Models({model.name: choose(deployment, model, skipped).pipeline for model in models}, deadline_s)
