"""The sources of a conversion, loaded, and shown to take the same inputs and to give the same kind of answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from converter import fitting
from converter.fitting import Fitted
from converter.progress import Progress
from converter.project import Project
from converter.protocol import Description, Port
from converter.remembered import RememberedRoutes
from converter.source import Source
from firmware_profiles.errors import InputError, Problem

OpenRoutes = Callable[[Path, Source], RememberedRoutes]
"""The routes of a source, which use the folder."""

_STEP = "bring one that fits, or give it a project of its own"


class Loaded(NamedTuple):
    """A source that can be exported.

    Attributes:
        folder: its own, for what is exported.
    """

    source: Source
    folder: Path
    routes: RememberedRoutes
    description: Description
    fitted: Fitted


class _Described(NamedTuple):
    source: Source
    folder: Path
    routes: RememberedRoutes
    description: Description


def load(
    project: Project, sources: Sequence[Source], open_routes: OpenRoutes, folder: Path, progress: Progress
) -> list[Loaded]:
    """Load them all; the first is `[model]`'s own, whose float answers are the yardstick of all.

    Raises:
        InputError: everything that is wrong with any of them.
        UnavailableError: a library or a toolchain is missing.
    """
    described: list[_Described] = []
    problems: list[Problem] = []
    for index, source in enumerate(sources):
        own = folder / f"source-{index}"
        own.mkdir()
        routes = open_routes(own, source)
        progress(f"loading {source.title}")
        try:
            described.append(_Described(source, own, routes, routes.describe()))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return _fitted(project, described)


def check_labels(project: Project, checked: Path) -> None:
    """Raises InputError where several sources compete and `checked` (.npz of the evaluation data) has no `y`."""
    with np.load(checked) as arrays:
        labelled = "y" in arrays
    if project.file.model.candidate and not labelled:
        expected, step = "labels, since several models compete", "give y, or remove [[model.candidate]]"
        raise InputError(Problem(str(project.evaluation), expected, "none", step))


def close(loaded: Sequence[Loaded]) -> None:
    """End their processes."""
    for each in loaded:
        each.routes.close()


def _fitted(project: Project, described: Sequence[_Described]) -> list[Loaded]:
    loaded: list[Loaded] = []
    problems: list[Problem] = []
    for each in described:
        unlike = list(_unlike(project, described[0], each))
        try:
            if not unlike:
                loaded.append(Loaded(*each, fitting.fit(project, each.source, each.description)))
        except InputError as error:
            unlike = list(error.problems)
        problems += [problem for problem in unlike if problem not in problems]
    if problems:
        raise InputError(*problems)
    return loaded


def _unlike(project: Project, own: _Described, other: _Described) -> Iterator[Problem]:
    """Why the other source cannot compete with `[model]`'s own; sizes that a model leaves open fit any."""
    port = other.description.inputs[0]
    wanted, found = (
        fitting.declared_input(project, each.source, each.description.inputs[0])[1] for each in (own, other)
    )
    if _differ(wanted, found):
        where, expected = f"{other.source.path}: input {port.name}", f"{_told(wanted)}, as {own.source.title} takes"
        yield Problem(where, expected, _told(found), _STEP)
    ours, theirs = own.description.outputs, other.description.outputs
    if len(ours) != len(theirs):
        where, expected = f"{other.source.path}: outputs", f"{len(ours)}, as {own.source.title} gives"
        yield Problem(where, expected, str(len(theirs)), _STEP)
        return
    for mine, their in zip(ours, theirs, strict=True):
        if _differ(_answer(mine), _answer(their)):
            where = f"{other.source.path}: output {their.name}"
            expected = f"{_told(mine.shape)} values, as {own.source.title} gives"
            yield Problem(where, expected, _told(their.shape), _STEP)


def _answer(port: Port) -> list[int]:
    """The sizes without the batch and without axes of 1, which one format keeps and another drops."""
    return [size for size in port.shape[1:] if size != 1]


def _differ(one: Sequence[int], other: Sequence[int]) -> bool:
    return len(one) != len(other) or any(a and b and a != b for a, b in zip(one, other, strict=True))


def _told(shape: Sequence[int]) -> str:
    return "×".join(str(size or "?") for size in shape[1:]) or "1"
