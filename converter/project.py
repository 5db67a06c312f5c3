"""The project file `godwit.toml`: the user's side of a conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from converter import goal_metric, own_recipes
from converter import source as sources
from converter.own_recipes import RecipeTable
from converter.source import SourceTable, is_code
from converter.training import steps
from converter.training.settings import Settings
from firmware_profiles import declared, schema
from firmware_profiles import profile as profiles
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import InputSpec, OutputSpec
from firmware_profiles.profile import Profile
from firmware_profiles.words import Count, Name, Task, Version

FILE_NAME = "godwit.toml"
MIN_GOLDEN = 16
MAX_GOLDEN = 64


class ModelTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[model]`.

    Attributes:
        source: the trained model, relative to the project file; or "module:function", which lies
            beside the project file and builds a PyTorch network.
        state: state dict of that network, relative to the project file.
        input_shape: of one input without its batch, where the model leaves it open or does not say it.
        layers: a Python file, relative to the project file, that registers the layers of the user's own in a Keras
            model (keras.saving.register_keras_serializable); it is run wherever the model is loaded.
        labels: class names in the order of the output; "0", "1", … where there are none.
        candidate: other trained models for the same task, which compete with this one.
    """

    name: Name
    version: Version
    source: str
    task: Task
    state: str = ""
    input_shape: list[Count] = []
    labels: list[str] = []
    layers: str = ""
    candidate: list[SourceTable] = []

    @property
    def sources(self) -> list[SourceTable]:
        """Its own source, then the others."""
        return [SourceTable("", self.source, self.state, self.input_shape, self.layers), *self.candidate]


class DataTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[data]`: .npz (x, y), .csv or a folder of images, relative to the project file.

    Attributes:
        training: with labels; lets the recipes that train run.
    """

    calibration: str
    evaluation: str
    training: str = ""


class GoalTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[goal]`.

    Attributes:
        max_drop_points: largest loss of accuracy against float, in percentage points.
        metric: top1, top5, f1, auc, mae, rmse, r2, map, miou, or the user's own "module:function" beside
            the project file; empty for the task's own.
    """

    max_drop_points: Annotated[float, Meta(ge=0, le=100)] = 1.0
    optimise: Literal["latency", "size"] = "latency"
    metric: str = ""


class GoldenTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[golden]`.

    Attributes:
        inputs: where the self-test inputs come from. They travel in the bundle, so "evaluation"
            ships items of the user's data.
    """

    inputs: Literal["synthetic", "evaluation"] = "synthetic"
    count: Annotated[int, Meta(ge=MIN_GOLDEN, le=MAX_GOLDEN)] = MIN_GOLDEN


class TargetsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[targets]`: names of device profiles, or paths to a user's own."""

    profiles: Annotated[list[str], Meta(min_length=1)]


class ProjectFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole file."""

    model: ModelTable
    input: InputSpec
    data: DataTable
    targets: TargetsTable
    output: OutputSpec = OutputSpec()
    goal: GoalTable = GoalTable()
    golden: GoldenTable = GoldenTable()
    training: Settings = Settings()
    recipe: list[RecipeTable] = []


class Project(NamedTuple):
    """A project whose every path exists and whose every profile loads."""

    path: Path
    file: ProjectFile
    profiles: list[Profile]

    @property
    def calibration(self) -> Path:
        """Data that sets the ranges of quantized activations."""
        return self.path.parent / self.file.data.calibration

    @property
    def evaluation(self) -> Path:
        """Data that accuracy is measured on."""
        return self.path.parent / self.file.data.evaluation

    @property
    def training(self) -> Path | None:
        """Data to train on; None where there is none."""
        return self.path.parent / self.file.data.training if self.file.data.training else None


def load(path: Path, targets: Sequence[str] = (), max_drop_points: float | None = None) -> Project:
    """The project in the file `path`, or in the folder `path`.

    Args:
        targets, max_drop_points: replace what the file says, where given.

    Raises:
        InputError: everything that is wrong: keys, values, missing files, unknown profiles.
    """
    path = path / FILE_NAME if path.is_dir() else path
    document = _overridden(schema.read_toml(path, "project"), targets, max_drop_points)
    problems = [*_missing_files(document, path), *_unloadable_profiles(document, path)]
    try:
        file = schema.convert(document, ProjectFile, str(path))
    except InputError as error:
        raise InputError(*error.problems, *problems) from None
    problems += own_recipes.problems(file.recipe, str(path))
    problems += steps.problems(file.training.recipes, f"{path}: training.recipes")
    problems += sources.problems(file.model.candidate, str(path))
    problems += declared.input_problems(file.input, f"{path}: input")
    problems += declared.output_problems(file.output, file.model.task, file.model.labels, None, f"{path}: output")
    problems += goal_metric.problems(file.goal.metric, file.model.task, f"{path}: goal.metric")
    if problems:
        raise InputError(*problems)
    found = [profiles.load(_profile_reference(name, path)) for name in file.targets.profiles]
    return Project(path, file, list({profile.name: profile for profile in found}.values()))


def _overridden(document: dict[str, Any], targets: Sequence[str], max_drop_points: float | None) -> dict[str, Any]:
    changed = dict(document)
    if targets:
        changed["targets"] = {"profiles": list(targets)}
    if max_drop_points is not None:
        changed["goal"] = {**_table(document, "goal"), "max_drop_points": max_drop_points}
    return changed


def _missing_files(document: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    for table, keys in _tables_with_paths(document):
        for key in ("source", "state", "layers", "calibration", "evaluation", "training", "teacher"):
            value = keys.get(key)
            if not isinstance(value, str) or not value or (key == "source" and is_code(value)):
                continue
            if not (path.parent / value).exists():
                where, found = f"{path}: {table}.{key}", f"{value!r}, which does not exist"
                yield Problem(where, "a path relative to the project file", found, "correct the path")


def _tables_with_paths(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    model = _table(document, "model")
    yield "model", model
    others = model.get("candidate")
    for each in others if isinstance(others, list) else ():
        if isinstance(each, Mapping):
            yield f"model.candidate {each.get('name', '')}".rstrip(), each
    yield "data", _table(document, "data")
    yield "training", _table(document, "training")


def _unloadable_profiles(document: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    names = _table(document, "targets").get("profiles")
    for name in names if isinstance(names, list) else ():
        if isinstance(name, str):
            try:
                profiles.load(_profile_reference(name, path))
            except InputError as error:
                yield from error.problems


def _profile_reference(name: str, path: Path) -> str:
    """A profile given by path is relative to the project file, as every path in it is."""
    beside = path.parent / name
    return str(beside) if name.endswith(".toml") and beside.exists() else name


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name)
    return table if isinstance(table, Mapping) else {}
