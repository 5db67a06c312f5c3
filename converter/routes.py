"""The ways out of a source: what its own session exports, and what goes through a toolchain first.

A toolchain brings the source to a format that a session of this environment loads; every recipe
then applies to that. It is brought once, on the first use; a toolchain that cannot be made, or a
converter that fails, fails the recipes that need it and no others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from converter import lent, toolchain
from converter.bring.request import ANSWER, Bring, Brought, encode
from converter.exporting import Session
from converter.processes import Processes
from converter.progress import Progress
from converter.protocol import Declined, Description, Export, Exported, Failed, Rank, Ranked, Rejected
from converter.recipes import BY_NAME, Recipe, RecipeFormat, SourceFormat
from converter.source import Source
from firmware_profiles.errors import GodwitError, InputError, Problem

BRING_LIMIT_S = 900.0

OpenSession = Callable[[Processes, Path, SourceFormat, str], Session]
"""A session of the model at that path; the last is the file that registers its own layers, or empty."""


class Route(NamedTuple):
    """One way through a toolchain.

    Attributes:
        module: of `converter.bring`.
        gives: the format that it writes.
    """

    toolchain: str
    module: str
    gives: SourceFormat


KERAS_2 = Route("tf-keras", "keras2", "savedmodel")
_TORCH_TO_ONNX = Route("torch", "torch_onnx", "onnx")
_TORCH_TO_TFLITE = Route("litert-torch", "torch_tflite", "tflite")
THROUGH: dict[tuple[SourceFormat, RecipeFormat], Route] = {
    ("onnx", "tflite"): Route("onnx2tf", "onnx2tf", "savedmodel"),
    ("torch", "onnx"): _TORCH_TO_ONNX,
    ("torch", "tflite"): _TORCH_TO_TFLITE,
    ("pt2", "onnx"): _TORCH_TO_ONNX,
    ("pt2", "tflite"): _TORCH_TO_TFLITE,
}
_TORCH: tuple[SourceFormat, ...] = ("torch", "pt2")


def toolchains(source_format: SourceFormat, recipes: Iterable[Recipe]) -> list[str]:
    """Names of the toolchains that these recipes of such a source need."""
    routes = [THROUGH.get((source_format, recipe.format)) for recipe in recipes]
    if source_format in _TORCH:
        routes.append(_TORCH_TO_ONNX)  # for the yardstick
    return sorted({route.toolchain for route in routes if route})


class Routes:
    """One source model, described and exported by whatever way there is. Several threads may export at once."""

    def __init__(
        self,
        processes: Processes,
        folder: Path,
        progress: Progress,
        source: Source,
        session: OpenSession = Session,
    ) -> None:
        """Args: `folder` for what toolchains write; `session` that loads a model."""
        self._lock = threading.Lock()
        self._open = session
        self._processes = processes
        self._folder = folder
        self._progress = progress
        self._source = source
        self._own = None if source.format in _TORCH else session(processes, source.path, source.format, source.layers)
        self._brought: dict[Route, Session | Declined | Failed] = {}
        self._said: dict[RecipeFormat, list[str]] = {}
        self._ready: dict[RecipeFormat, Session | Declined | Failed] = {}

    def describe(self) -> Description:
        """Load the model and say what it is.

        Raises:
            InputError: the file cannot be loaded.
            UnavailableError: a library or a toolchain is missing.
        """
        if self._own is None:
            return self._describe_brought(THROUGH[self._source.format, "onnx"])
        description = self._own.describe()
        if isinstance(description, Description):
            return description
        self._progress(f"{self._source.title}: {description.reason}; {KERAS_2.toolchain} does")
        return self._describe_brought(KERAS_2)

    def export(self, request: Export) -> Exported | Declined | Failed:
        """Export once, through a toolchain if that is the way."""
        session = self._session(request)
        reply = session.export(request) if isinstance(session, Session) else session
        if not isinstance(reply, Exported):
            return reply
        before = self._said.get(request.recipe.format, [])
        return msgspec.structs.replace(reply, said=[*before, *reply.said])

    def rank(self, request: Rank) -> Ranked | Declined | Failed:
        """What a recipe does to each layer."""
        session = self._session(request)
        return session.rank(request) if isinstance(session, Session) else session

    def close(self) -> None:
        """End the processes."""
        for session in (self._own, *self._brought.values(), *self._ready.values()):
            if isinstance(session, Session):
                session.close()

    def _session(self, request: Export | Rank) -> Session | Declined | Failed:
        model_format = request.recipe.format
        with self._lock:
            if model_format not in self._ready:
                self._ready[model_format] = self._prepare(model_format, request.shape)
            return self._ready[model_format]

    def _prepare(self, model_format: RecipeFormat, shape: list[int]) -> Session | Declined | Failed:
        """A session of a model in that format, which quantizes it: the source itself, or its float export."""
        route = THROUGH.get((self._source.format, model_format))
        session = self._session_after(route, shape) if route else self._own
        assert session is not None
        if not isinstance(session, Session) or session.source_format == model_format:
            return session
        target = self._folder / f"float.{model_format}"
        reply = session.export(Export(BY_NAME[f"{model_format}-float32"], shape, "", str(target)))
        if not isinstance(reply, Exported):
            return reply
        self._said[model_format] = reply.said
        return self._loaded(self._open(self._processes, target, model_format, ""))

    def _describe_brought(self, route: Route) -> Description:
        """By a route without which nothing is known of the source."""
        session = self._bring(route, [1, *self._source.input_shape])
        if not isinstance(session, Session):
            where, step = str(self._source.path), "see its message, or bring the model in another format"
            raise InputError(Problem(where, f"a model that {route.toolchain} converts", session.reason, step))
        if route in THROUGH.values():
            self._brought[route] = session
        else:
            self._own = session
        return self._described(session)

    def _session_after(self, route: Route, shape: list[int]) -> Session | Declined | Failed:
        if route not in self._brought:
            try:
                session = self._bring(route, shape)
            except GodwitError as error:
                session = _failed(error)
            self._brought[route] = self._loaded(session) if isinstance(session, Session) else session
        return self._brought[route]

    def _loaded(self, session: Session) -> Session | Failed:
        try:
            self._described(session)
        except GodwitError as error:
            session.close()
            return _failed(error)
        return session

    def _bring(self, route: Route, shape: list[int]) -> Session | Declined | Failed:
        """A session of the source in the route's format.

        Raises:
            UnavailableError: the toolchain cannot be made.
            InputError: the source is damaged.
        """
        python = toolchain.prepare(route.toolchain, self._progress)
        self._progress(f"bringing {self._source.title} by {route.toolchain}")
        source, target = self._source, self._folder / route.module
        request = Bring(
            module=route.module,
            source=str(source.path.absolute()),
            code=source.code,
            folder=str(source.folder.absolute()),
            target=str(target),
            shape=shape,
        )
        line = [str(python), "-m", "converter.bring", encode(request).decode()]
        finished = self._processes.run(line, BRING_LIMIT_S, lent.variables(self._folder))
        if finished.exit_code != 0:
            last = (finished.stderr.strip().splitlines() or ["no word"])[-1][:200]
            return Failed(f"{route.toolchain} {finished.ending(BRING_LIMIT_S)} ({last})")
        answer = ANSWER.decode(finished.stdout)
        if isinstance(answer, Rejected):
            raise InputError(*(Problem(*problem) for problem in answer.problems))
        if not isinstance(answer, Brought):
            return answer
        return self._open(self._processes, target, route.gives, "")

    def _described(self, session: Session) -> Description:
        """What was brought, in whose errors the source is named."""
        try:
            description = session.describe()
        except InputError as error:
            raise InputError(*(problem._replace(where=str(self._source.path)) for problem in error.problems)) from None
        assert isinstance(description, Description)
        return description


def _failed(error: GodwitError) -> Failed:
    told = error.problems[0]
    return Failed(f"{told.where}: {told.found}; {told.next_step}")
