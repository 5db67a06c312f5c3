"""`[[recipe]]` in the project file: a known recipe with other ranges, or with layers treated differently."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from converter.recipes import BY_NAME, Calibration, Recipe, Scope
from firmware_profiles.errors import Problem, did_you_mean
from firmware_profiles.words import RecipeName

_LEFT_ALONE = "onnx-float32"
"""onnxruntime's quantizers leave a layer out, or treat it as all the others."""


class RecipeTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`[[recipe]]`.

    Attributes:
        name: begins with the base's format; every profile with that format tries it.
        base: a recipe that Godwit knows.
        calibration: in place of the base's.
        scope: layers that are treated in another way; a later one wins.
    """

    name: RecipeName
    base: RecipeName
    calibration: Calibration = ""
    scope: list[Scope] = []


def of(tables: Iterable[RecipeTable]) -> list[Recipe]:
    """The recipes that the tables describe; they must be without problems."""
    return [_recipe(table) for table in tables]


def problems(tables: Sequence[RecipeTable], where: str) -> Iterator[Problem]:
    """Everything that is wrong with them."""
    names = [table.name for table in tables]
    for table in tables:
        place = f"{where}: recipe {table.name}"
        if table.name in BY_NAME or names.count(table.name) > 1:
            yield Problem(place, "a name of its own", "one that is taken", "rename it")
        base = BY_NAME.get(table.base)
        if base is None:
            yield Problem(f"{place}: base", "a known recipe", repr(table.base), did_you_mean(table.base, BY_NAME))
            continue
        if not table.name.startswith(f"{base.format}-"):
            yield Problem(place, f"a name that begins with {base.format}-", table.name, "rename it")
        if table.calibration == "learned":
            step = "name a recipe that trains in [training] recipes, as in qat-int8"
            yield Problem(f"{place}: calibration", "minmax, percentile, entropy or mse", "learned", step)
        if table.calibration and not base.static:
            found = f"{table.base}, which has no ranges to find"
            yield Problem(f"{place}: calibration", "a base with static activations", found, "remove the key")
        for scope in table.scope:
            yield from _scope_problems(scope, base, place)


def _scope_problems(scope: Scope, base: Recipe, place: str) -> Iterator[Problem]:
    try:
        re.compile(scope.layers)
    except re.error as error:
        yield Problem(f"{place}: layers", "a regular expression", f"{scope.layers!r} ({error})", "correct it")
    inner = BY_NAME.get(scope.recipe)
    if inner is None or inner.format != base.format:
        known = [name for name, recipe in BY_NAME.items() if recipe.format == base.format]
        step = did_you_mean(scope.recipe, known)
        yield Problem(f"{place}: scope", f"a known {base.format} recipe", repr(scope.recipe), step)
    elif base.format == "onnx" and scope.recipe != _LEFT_ALONE:
        step = f'set recipe = "{_LEFT_ALONE}", or take a TFLite base'
        yield Problem(f"{place}: scope", f"{_LEFT_ALONE}, all that ONNX scopes know", scope.recipe, step)


def _recipe(table: RecipeTable) -> Recipe:
    base = BY_NAME[table.base]
    return msgspec.structs.replace(
        base,
        name=table.name,
        title=f"{base.title}, as the project asks",
        calibration=table.calibration or base.calibration,
        scopes=tuple(table.scope),
    )
