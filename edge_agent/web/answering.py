"""The worker's end of HTTP: requests become replies."""

from __future__ import annotations

import time
from collections.abc import Mapping

import msgspec

from edge_agent.inference import InferReply, InferRequest, refusal
from edge_agent.pipeline import Pipeline
from edge_agent.web import drops
from edge_agent.web.oip import OipDoor
from firmware_profiles.errors import InputError
from firmware_profiles.results import Result


class FileAnswer(msgspec.Struct, frozen=True):
    """`POST /api/predict/NAME`.

    Attributes:
        latency_ms: of pre-processing, inference and post-processing.
    """

    model: str
    version: str
    latency_ms: float
    result: Result


class Answers:
    """Answers every request with what the worker's pipelines give."""

    def __init__(self, pipelines: Mapping[str, Pipeline], version: str) -> None:
        self._pipelines = pipelines
        self._version = version
        self._doors = {name: OipDoor(line.model, version, line.run) for name, line in pipelines.items()}

    def answer(self, request: InferRequest) -> InferReply:
        """The reply; a request that cannot be answered gets 400 and the reason, one unforeseen raises."""
        if request.model not in self._pipelines:
            return refusal(404, f"no model {request.model!r} runs here")
        try:
            if request.kind == "oip":
                return self._doors[request.model].answer(request.body, request.header_bytes)
            return self._file(request)
        except InputError as error:
            return refusal(400, str(error))

    def _file(self, request: InferRequest) -> InferReply:
        raw = drops.decode(request.body)
        started_s = time.perf_counter()
        result = self._pipelines[request.model].predict(raw)
        latency_ms = round((time.perf_counter() - started_s) * 1e3, 3)
        return InferReply(200, msgspec.json.encode(FileAnswer(request.model, self._version, latency_ms, result)))
