"""What a conversion is going to do, decided before anything is loaded or written."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from converter import delegation, own_recipes, routes, toolchain
from converter import source as models
from converter.candidate import HERE, Row
from converter.project import Project
from converter.recipes import BY_NAME, RECIPES, Recipe, reference
from converter.source import Source
from converter.training import outside, trainable
from converter.training.steps import is_trained
from firmware_profiles import profile as profiles
from firmware_profiles.errors import InputError, Problem, did_you_mean
from firmware_profiles.evaluation import Machine
from firmware_profiles.profile import Profile, fits, is_this_machine

_PACKAGES = {"litert": "ai_edge_litert", "onnx": "onnxruntime"}
_SHARE = {"float32": 1.0, "float16": 1 / 2, "int8": 1 / 4, "int4": 1 / 8}
"""Of the size of a float32 model."""

_HOST_DELEGATES = ("xnnpack", "cpu", "none")


class Target(NamedTuple):
    """What one profile will try.

    Attributes:
        measured_on: the machine that is such a device, so that its figures decide; empty where there is none.
        recipes: that the profile asks for and can take.
        declined: recipe → why it cannot take it.
        runtimes_here: rows of the profile that should run on this machine.
        runtimes_elsewhere: rows that cannot, so no bundle will claim them.
    """

    profile: Profile
    measured_on: str
    recipes: list[Recipe]
    declined: dict[str, str]
    runtimes_here: list[Row]
    runtimes_elsewhere: list[Row]


class Plan(NamedTuple):
    """The whole conversion.

    Attributes:
        sources: that compete; the first is `[model]`'s own.
        wanted: every recipe that some profile asks for, in the order of `RECIPES`.
        trained: names of recipes that train, in the order that they are tried; `gain`: what could be gained by
            more of them, and what that takes.
        budget_s: that all trainings may take together.
    """

    sources: list[Source]
    targets: list[Target]
    wanted: list[Recipe]
    trained: Sequence[str] = ()
    gain: str = ""
    budget_s: float = trainable.BUDGET_S


def make(project: Project, only: str | None, budget_s: float = trainable.BUDGET_S) -> Plan:
    """Plan a conversion, of one recipe `only` if it is given; beside a recipe that trains float32 is built too.

    Args:
        budget_s: that all trainings may take together; 0 trains nothing.

    Raises:
        InputError: the source is of no known format, or the recipe is unknown.
    """
    asked_for = only if only is not None and is_trained(only) else None
    only = "tflite-float32" if asked_for else only
    own = own_recipes.of(project.file.recipe)
    catalogue = {recipe.name: recipe for recipe in (*RECIPES, *own)}
    if problems := list(_unknown(project, catalogue, only)):
        raise InputError(*problems)
    sources = _sources(project)
    asked = [(profile, _asked(profile, catalogue, only)) for profile in project.profiles]
    if problems := list(_too_large(sources, asked)):
        raise InputError(*problems)
    targets = [_target(profile, recipes) for profile, recipes in asked]
    wanted = [recipe for recipe in catalogue.values() if any(_asks(target, recipe) for target in targets)]
    names = [recipe.name for target in targets for recipe in target.recipes]
    found = trainable.of(project, sources[0], names, asked_for, only is None, budget_s)
    return Plan(sources, targets, wanted, found.recipes, found.gain, budget_s)


def declined_by_all(plan: Plan) -> dict[str, str]:
    """Recipes that no profile can use, with the reason of the last one: nobody builds them."""
    reasons = {name: reason for target in plan.targets for name, reason in target.declined.items()}
    wanted = {recipe.name for target in plan.targets for recipe in target.recipes}
    return {name: reason for name, reason in reasons.items() if name not in wanted}


def on_device(plan: Plan, host: str, machine: Machine) -> Plan:
    """The plan with that device as the measure of every profile that it is.

    Raises:
        InputError: it is none of them.
    """
    targets = [
        target._replace(measured_on=host) if fits(target.profile, machine.arch, machine.board) else target
        for target in plan.targets
    ]
    if any(target.measured_on == host for target in targets):
        return plan._replace(targets=targets)
    known = [name for name in profiles.names() if fits(profiles.load(name), machine.arch, machine.board)]
    expected = f"a device of {_listed(map(_what, (target.profile for target in targets)))}"
    found = f"{machine.board or 'no device tree'} ({machine.arch}, {machine.cpu})"
    step = f"add --target {' or '.join(known)}" if known else "write a profile for it: godwit profiles shows how"
    raise InputError(Problem(f"--measure-on {host}", expected, found, step))


def _what(profile: Profile) -> str:
    return f"{profile.name} ({profile.hardware.device_tree_model or 'any board'}, {profile.hardware.arch})"


def describe(project: Project, plan: Plan, measure_on: str) -> list[str]:
    """The plan as lines for a person.

    Args:
        measure_on: name of a device; it is not asked what it is.
    """
    yardstick = reference(plan.sources[0].format, "float32").name
    goal = project.file.goal
    lines = [
        *(f"source     {_named(source)}{source.path} ({source.format})" for source in plan.sources),
        *_toolchains(plan),
        *([f"measure on {measure_on}, which decides for the profiles that it is"] if measure_on else []),
        f"goal       at most {goal.max_drop_points:g} points below {yardstick}, then the best {goal.optimise}",
    ]
    if plan.trained:
        lines.append(f"training   {_listed(plan.trained)}, in at most {plan.budget_s / 60:g} minutes together")
    elif plan.gain:
        lines.append(f"training   none: {plan.gain}")
    for target in plan.targets:
        decides = (
            f"figures measured on {target.measured_on}"
            if target.measured_on
            else "the profile's rules (not measured on the device)"
        )
        lines += [
            "",
            f"{target.profile.name}: {target.profile.title}",
            f"  try      {_listed(recipe.name for recipe in target.recipes)}",
            *(f"  decline  {name}: {reason}" for name, reason in target.declined.items()),
            f"  decides  {decides}",
            f"  prove on {_listed(map(str, target.runtimes_here))}",
            *([f"  not here {_listed(map(str, target.runtimes_elsewhere))}"] if target.runtimes_elsewhere else []),
        ]
    return lines


def _sources(project: Project) -> list[Source]:
    found: list[Source] = []
    problems: list[Problem] = []
    for table in project.file.model.sources:
        try:
            found.append(models.find(project.path.parent, table))
        except InputError as error:
            problems += error.problems
    if problems:
        raise InputError(*problems)
    return found


def _named(source: Source) -> str:
    return f"{source.name}: " if source.name else ""


def _unknown(project: Project, catalogue: dict[str, Recipe], only: str | None) -> Iterator[Problem]:
    named = [("--recipe", only)] if only is not None else []
    named += [(f"profile {profile.name}: recipes", name) for profile in project.profiles for name in profile.recipes]
    for where, name in named:
        if name not in catalogue:
            yield Problem(where, "a known recipe", repr(name), did_you_mean(name, catalogue))


def _asked(profile: Profile, catalogue: dict[str, Recipe], only: str | None) -> list[Recipe]:
    """What the profile lists, then the project's own, or only the one that the user names."""
    own = [recipe for name, recipe in catalogue.items() if name not in BY_NAME and recipe.format in profile.formats]
    asked = [*(catalogue[name] for name in profile.recipes), *own]
    if only is None:
        return asked
    return [recipe for recipe in (catalogue[only],) if recipe.format in profile.formats]


def _too_large(sources: Sequence[Source], asked: Sequence[tuple[Profile, list[Recipe]]]) -> Iterator[Problem]:
    """For a profile that no source can fit, and for a source that fits no profile, by whatever recipe."""
    found = [[_excess(source, profile, recipes) for profile, recipes in asked] for source in sources]
    told = [row for row in found[1:] if all(row)] + [column for column in zip(*found, strict=True) if all(column)]
    yield from dict.fromkeys(problem for problems in told for problem in problems if problem)


def _excess(source: Source, profile: Profile, asked: Sequence[Recipe]) -> Problem | None:
    """For a profile whose limit even the smallest recipe cannot reach."""
    least_bytes = source.weight_bytes() * min((_SHARE[recipe.weights] for recipe in asked), default=0)
    limit_bytes = profile.limits.model_mb * (1 << 20)
    if least_bytes <= limit_bytes:
        return None
    expected = f"a model that fits into {profile.limits.model_mb:g} MB on {profile.name}"
    found = f"{source.weight_bytes() / (1 << 20):,.0f} MB, at least {least_bytes / (1 << 20):,.0f} MB after conversion"
    return Problem(str(source.path), expected, found, "choose a smaller model, or leave this profile out")


def _toolchains(plan: Plan) -> Iterator[str]:
    """What the routes of the wanted recipes and the proofs go through."""
    ready = {state.name for state in toolchain.states() if state.ready}
    needed = {name for source in plan.sources for name in routes.toolchains(source.format, plan.wanted)}
    if plan.trained and plan.sources[0].format == "torch":
        needed.add(outside.TORCH)
    if any(row.runtime == "tflite" for target in plan.targets for row in target.runtimes_here):
        needed.add(toolchain.TFLITE)
    for name in sorted(needed):
        yield f"toolchain  {name}{'' if name in ready else ', which is made first'}"


def _target(profile: Profile, asked: list[Recipe]) -> Target:
    reasons = {recipe.name: delegation.cannot_take(profile, recipe) for recipe in asked}
    rows = [Row(row.runtime, row.delegate) for row in profile.runtimes]
    here = [row for row in rows if _runs_here(row)]
    return Target(
        profile,
        HERE if is_this_machine(profile) else "",
        [recipe for recipe in asked if not reasons[recipe.name]],
        {str(name): reason for name, reason in reasons.items() if reason},
        here,
        [row for row in rows if row not in here],
    )


def _asks(target: Target, recipe: Recipe) -> bool:
    return recipe in target.recipes or recipe.name in target.declined


def _runs_here(row: Row) -> bool:
    """tflite-runtime comes by a toolchain."""
    package = _PACKAGES.get(row.runtime)
    installed = row.runtime == "tflite" or (package is not None and importlib.util.find_spec(package) is not None)
    return installed and row.delegate in _HOST_DELEGATES


def _listed(words: Iterable[str]) -> str:
    return ", ".join(words) or "nothing"
