"""The models of a deployment, ready to answer: each with its pipeline, and what flows between them."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from edge_agent.channel import Answer
from edge_agent.flow.crops import crop
from edge_agent.inference import InferReply, InferRequest
from edge_agent.pipeline import Pipeline
from edge_agent.runtimes.base import Array
from firmware_profiles.manifest import Link, Manifest, entries
from firmware_profiles.results import Detections, Result
from firmware_profiles.wire import RuntimeInUse

if TYPE_CHECKING:
    from edge_agent.web.answering import Answers


class Models:
    """Proved models by name.

    An inference that takes longer than the deadline ends this process: the alarm's default action works
    even where a runtime hangs in C.

    Attributes:
        pipelines: by model.
        entries: names of the models that inputs go to, unless their source says otherwise.
    """

    def __init__(self, manifest: Manifest, pipelines: Mapping[str, Pipeline], deadline_s: float) -> None:
        self.pipelines = pipelines
        self.entries = entries(manifest)
        self._links: dict[str, list[Link]] = {}
        for link in manifest.links:
            self._links.setdefault(link.producer, []).append(link)
        self._version = manifest.version
        self._deadline_s = deadline_s
        self._answers: Answers | None = None

    def in_use(self) -> dict[str, RuntimeInUse]:
        """What runs each model."""
        return {name: pipeline.in_use for name, pipeline in self.pipelines.items()}

    def answers(self, names: Sequence[str], raw: Array) -> list[Answer]:
        """What each of the models `names` says about one raw input, and what the models that they feed say then.

        Raises:
            InputError: a model cannot take it, or gives no finite answer.
        """
        return [self._answer(name, raw) for name in names]

    def reply(self, request: InferRequest) -> InferReply:
        """The reply to somebody who waits."""
        answers = self.warm_up()
        signal.setitimer(signal.ITIMER_REAL, self._deadline_s)
        try:
            return answers.answer(request)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def warm_up(self) -> Answers:
        """Load what the first request needs, if that is not done yet."""
        if self._answers is None:
            from edge_agent.web.answering import Answers  # late: most devices answer sources only

            self._answers = Answers(self.pipelines, self._version)
        return self._answers

    def _answer(self, name: str, raw: Array) -> Answer:
        began_s = time.perf_counter()
        result, outputs = self._said(name, raw)
        then: dict[str, Result] = {}
        if links := self._links.get(name):
            result, then = self._follow(links, raw, result, outputs)
        return Answer(name, result, round((time.perf_counter() - began_s) * 1e3, 3), then)

    def _said(self, name: str, raw: Array) -> tuple[Result, list[Array]]:
        signal.setitimer(signal.ITIMER_REAL, self._deadline_s)
        try:
            return self.pipelines[name].answer(raw)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _follow(
        self, links: Sequence[Link], raw: Array, result: Result, outputs: Sequence[Array]
    ) -> tuple[Result, dict[str, Result]]:
        then: dict[str, Result] = {}
        for link in links:
            if link.what == "output":
                answer = self._answer(link.consumer, outputs[0][0])
                then |= {link.consumer: answer.result, **answer.then}
            elif isinstance(result, Detections):
                result = self._looked_closer(link.consumer, raw, result)
        return result, then

    def _looked_closer(self, consumer: str, raw: Array, found: Detections) -> Detections:
        """What the consumer says about each object; what was found at the very edge may have nothing to be seen."""
        objects = []
        for each in found.objects:
            part = crop(raw, each.box)
            if part is None:
                objects.append(each)
                continue
            answer = self._answer(consumer, part)
            then = {**each.then, consumer: answer.result, **answer.then}
            objects.append(msgspec.structs.replace(each, then=then))
        return Detections(objects)
