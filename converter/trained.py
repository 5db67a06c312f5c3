"""The third round: recipes that train, cheapest first, for as long as the budget lasts.

What a training gives is one more source with one recipe of its own; export, evaluation and choice are those of all
candidates. Trainings run one at a time, in a process of their own, and go on where they were after Ctrl-C.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from converter import build, cache, contents, fitting, remembered
from converter.build import Built, Trial, Workshop
from converter.delegation import cannot_take
from converter.judge import Judge
from converter.plan import Plan, Target
from converter.protocol import Failed
from converter.recipes import BY_NAME, Recipe, SourceFormat
from converter.refine import Refined
from converter.source import Source
from converter.sources import Loaded, OpenRoutes
from converter.training import outside
from converter.training.protocol import Train, Trained
from converter.training.steps import Steps, parse
from firmware_profiles.errors import UnavailableError

if TYPE_CHECKING:
    from converter.pipeline import Data

_FORMATS: dict[str, SourceFormat] = {".tflite": "tflite", ".keras": "keras", ".pt2": "pt2"}

_HOPELESS = 3.0
"""Times the goal's points: what loses so much is not tried with still less of the model."""


def tried(
    shop: Workshop, found: Refined, loaded: Loaded, data: Data, open_routes: OpenRoutes, judging: Judge
) -> Refined:
    """All that was found, and what the recipes that train add. Raises as `build.attempt`, and InputError."""
    plan, calibration = found.plan, data.calibration
    if plan.gain:
        shop.progress(f"not trained: {plan.gain}")
    ends_s = time.monotonic() + plan.budget_s
    built: list[Built] = []
    for name in plan.trained:
        recipe = as_recipe(name)
        trial = Trial(loaded, recipe)
        if reason := _declined(shop, name, built, ends_s):
            built.append(build.attempt(shop, judging, trial._replace(declined=reason), calibration))
            continue
        shop.progress(f"training {name}")
        answer = _trained(shop, _request(shop, loaded, name, data.training, ends_s - time.monotonic()))
        if isinstance(answer, Failed):
            failed = build.attempt(shop, judging, trial._replace(declined=answer.reason), calibration)
            built.append(failed._replace(candidate=msgspec.structs.replace(failed.candidate, outcome="failed")))
            continue
        own = _source(shop, loaded, answer, open_routes)
        each = build.attempt(shop, judging, Trial(own, recipe), calibration)
        own.routes.close()
        built.append(each._replace(candidate=msgspec.structs.replace(each.candidate, trained=answer)))
    return _with(found, built)


def _trained(shop: Workshop, request: Train) -> Trained | Failed:
    """A toolchain that cannot be made fails the recipes that need it and no others. Raises InputError."""
    try:
        return outside.trained(shop, request)
    except UnavailableError as error:
        told = error.problems[0]
        return Failed(f"{told.where}: {told.found}; {told.next_step}")


def as_recipe(name: str) -> Recipe:
    """The row of data: that of its precision, under its own name."""
    steps = parse(name, "recipe")
    base = BY_NAME[f"tflite-{steps.precision}"]
    title = f"TFLite, {steps.precision}, after training: {name.rpartition('-')[0].replace('+', ', ')}"
    return msgspec.structs.replace(
        base, name=name, title=title, calibration="learned" if steps.qat else base.calibration
    )


def _declined(shop: Workshop, name: str, built: Sequence[Built], ends_s: float) -> str:
    """Why it is not trained; empty where it is."""
    if time.monotonic() >= ends_s:
        return "the time of --budget was over"
    steps = parse(name, "recipe")
    most_points = _HOPELESS * max(1.0, shop.project.file.goal.max_drop_points)
    for each in built:
        told = each.candidate.chosen_on
        if told is None or told.drop_points <= most_points or each.candidate.trained is None:
            continue
        if _takes_less(parse(each.candidate.recipe, "recipe"), steps):
            return f"hopeless: {each.candidate.recipe} lost {told.drop_points:.1f} points and takes less away"
    return ""


def _takes_less(one: Steps, other: Steps) -> bool:
    """The same recipe but for how much goes."""
    plain = [msgspec.structs.replace(each, channels=0, prune=0) for each in (one, other)]
    return plain[0] == plain[1] and one.channels <= other.channels and one.prune <= other.prune


def _request(shop: Workshop, loaded: Loaded, name: str, data: Path, budget_s: float) -> Train:
    project, source = shop.project, loaded.source
    settings = project.file.training
    teacher = str(project.path.parent / settings.teacher) if settings.teacher else ""
    parts = [source.path, data, *([Path(teacher)] if teacher else [])]
    code = (source.code, source.input_shape, remembered.modules(source))
    task = project.file.model.task
    key = cache.key("train", name, task, settings, code, [contents.sha256(part) for part in parts])
    return Train(
        model=str(source.path.absolute()),
        format=source.format,
        recipe=name,
        task=task,
        data=str(data),
        teacher=teacher,
        target=str(loaded.folder / name),
        checkpoints="",
        key=key,
        settings=settings,
        budget_s=max(0.1, budget_s),
        most_lost=(_HOPELESS * max(1.0, project.file.goal.max_drop_points) + 10) / 100,
        code=source.code,
        folder=str(source.folder.absolute()),
        shape=loaded.fitted.shape,
        layout=project.file.input.layout,
    )


def _source(shop: Workshop, loaded: Loaded, answer: Trained, open_routes: OpenRoutes) -> Loaded:
    """What was trained as a source of its own."""
    path = Path(answer.file)
    source = Source(path, _FORMATS[path.suffix], input_shape=loaded.source.input_shape)
    folder = loaded.folder / f"{answer.recipe}.source"
    folder.mkdir()
    routes = open_routes(folder, source)
    description = routes.describe()
    return Loaded(source, folder, routes, description, fitting.fit(shop.project, source, description))


def _with(found: Refined, built: Sequence[Built]) -> Refined:
    """Every profile whose delegates take it may take it."""
    recipes = [each.candidate.made_by for each in built]

    def extended(target: Target) -> Target:
        profile = target.profile
        own = [each for each in recipes if each.format in profile.formats and not cannot_take(profile, each)]
        return target._replace(recipes=[*target.recipes, *own])

    plan: Plan = found.plan._replace(targets=[extended(target) for target in found.plan.targets])
    return found._replace(plan=plan, built=[*found.built, *built])
