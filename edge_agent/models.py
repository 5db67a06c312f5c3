"""The models of a deployment, ready to answer: each with its pipeline, and what flows between them."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from edge_agent.channel import Answer
from edge_agent.inference import InferReply, InferRequest
from edge_agent.pipeline import Pipeline
from edge_agent.runtimes.base import Array
from firmware_profiles.wire import RuntimeInUse

if TYPE_CHECKING:
    from edge_agent.web.answering import Answers


class Models:
    """Proved models by name.

    Attributes:
        pipelines: by model.
        entries: names of the models that inputs go to, unless their source says otherwise.
    """

    def __init__(self, pipelines: Mapping[str, Pipeline], version: str, deadline_s: float) -> None:
        self.pipelines = pipelines
        self.entries = list(pipelines)
        self._version = version
        self._deadline_s = deadline_s
        self._answers: Answers | None = None

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

    def reply(self, request: InferRequest) -> InferReply:
        """The reply to somebody who waits."""
        if self._answers is None:
            from edge_agent.web.answering import Answers  # late: most devices answer sources only

            self._answers = Answers(self.pipelines, self._version)
        return self._answers.answer(request)

    def _answer(self, name: str, raw: Array) -> Answer:
        began_s = time.perf_counter()
        signal.setitimer(signal.ITIMER_REAL, self._deadline_s)
        try:
            result = self.pipelines[name].predict(raw)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        return Answer(name, result, round((time.perf_counter() - began_s) * 1e3, 3))
