"""A second round where int8 as it stands loses too much: other ranges first, then precision given back.

Precision goes back to the layer that suffers most when it alone is quantized, then to the two that suffer
most, four, …, until the goal is met; then the fewest layers that meet it are looked for by halving. It ends
unmet at three quarters of the float model's size: float16 is smaller then, and loses nothing.

Both halves of the evaluation data must meet the goal here: with one alone, the search would take the
first of many that is lucky on it. So what is confirmed of these candidates is a little flattered too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from converter.build import Built
from converter.plan import Plan, Target
from converter.protocol import Declined, Failed, Layer, Ranked
from converter.recipes import RECIPES, Recipe, Scope

Attempt = Callable[[Recipe], Built]
Drop = Callable[[Built], float]
"""Points lost by a candidate that was measured."""
Rank = Callable[[Recipe], Ranked | Declined | Failed]


class Step(msgspec.Struct, frozen=True):
    """One point of the curve.

    Attributes:
        kept_float: how many layers stayed float32, those that suffer most.
        drop_points: lost against float, on the worse half of the evaluation data; None where it failed.
    """

    kept_float: int
    drop_points: float | None
    size_bytes: int


class Sensitivity(msgspec.Struct, frozen=True):
    """What was learned about one recipe that lost too much.

    Attributes:
        key: of the candidate that lost least of its kind.
        layers: with the signal-to-noise of the model's output where that layer alone is quantized, worst first.
        curve: in the order tried; empty where other ranges were enough.
    """

    key: str
    layers: list[Layer]
    curve: list[Step]


class Refined(NamedTuple):
    """The plan and the candidates with what the second round added."""

    plan: Plan
    built: list[Built]
    sensitivity: list[Sensitivity]


def refined(
    plan: Plan, built: Sequence[Built], drop: Drop, most_points: float, attempt: Attempt, rank: Rank
) -> Refined:
    """Add candidates for each kind of static int8 that some profile asks for and that misses the goal.

    Args:
        drop, most_points: what a candidate loses, and may lose.
        attempt: export and evaluate a recipe.
    """
    found = Refined(plan, list(built), [])

    def holds(each: Built) -> bool:
        return _measured(each) and drop(each) <= most_points

    for base in _missed(found, holds):
        for recipe in _others(base):
            if recipe.name not in _names(found.built):
                found = _with(found, base, [attempt(recipe)])
                if holds(found.built[-1]):
                    break
        kin = [each for each in found.built if _akin(base, each)]
        if any(map(holds, kin)) or not any(map(_measured, kin)):
            continue
        best = min(filter(_measured, kin), key=drop)
        largest_bytes = max(each.candidate.size_bytes for each in found.built)
        mixed, sensitivity = _mixed(best, largest_bytes * 3 // 4, holds, drop, attempt, rank)
        found = _with(found, base, mixed)
        found.sensitivity.extend(sensitivity)
    return found


def _missed(found: Refined, holds: Callable[[Built], bool]) -> Iterator[Recipe]:
    """One recipe of each kind that was tried and of which none holds the goal."""
    asked = {recipe.name for target in found.plan.targets for recipe in target.recipes}
    kinds: set[tuple[object, ...]] = set()
    for each in found.built:
        recipe = each.candidate.made_by
        declined = each.candidate.outcome == "declined"
        if recipe.name not in asked or not _is_static_int8(recipe) or declined or _kind(recipe) in kinds:
            continue
        kinds.add(_kind(recipe))
        if not any(map(holds, [other for other in found.built if _akin(recipe, other)])):
            yield recipe


def _mixed(
    best: Built, most_bytes: int, holds: Callable[[Built], bool], drop: Drop, attempt: Attempt, rank: Rank
) -> tuple[list[Built], list[Sensitivity]]:
    base = best.candidate.made_by
    ranked = rank(base)
    if not isinstance(ranked, Ranked):
        return [], []
    tried: dict[int, Built] = {}

    def enough(kept: int) -> bool:
        tried[kept] = attempt(_keeping(base, ranked.layers[:kept], len(ranked.layers)))
        return holds(tried[kept])

    kept = 1
    while kept < len(ranked.layers) and not enough(kept) and tried[kept].candidate.size_bytes < most_bytes:
        kept *= 2
    if kept in tried and holds(tried[kept]):
        _halve(kept // 2, kept, enough)
    good = [count for count in sorted(tried) if holds(tried[count])]
    curve = [
        Step(count, drop(each) if _measured(each) else None, each.candidate.size_bytes) for count, each in tried.items()
    ]
    kept_candidates = [tried[good[0]]] if good else [tried[count] for count in list(tried)[-1:]]
    return kept_candidates, [Sensitivity(best.candidate.key, ranked.layers, curve)]


def _halve(low: int, high: int, enough: Callable[[int], bool]) -> None:
    """Between a count that does not hold and one that does, down to the fewest."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)


def _keeping(base: Recipe, layers: Sequence[Layer], of: int) -> Recipe:
    """The recipe with those layers in float32; a scope each, so that the bundle tells which."""
    return msgspec.structs.replace(
        base,
        name=f"{base.format}-mixed-{len(layers)}",
        title=f"{base.title}; {len(layers)} of {of} layers in float32",
        scopes=tuple(Scope(layer.pattern, f"{base.format}-float32") for layer in layers),
    )


def _others(base: Recipe) -> list[Recipe]:
    """The same arithmetic with other ranges: channels equalized first, which helps most where it does."""
    kin = [recipe for recipe in RECIPES if _kind(recipe) == _kind(base)]
    return sorted(kin, key=lambda recipe: not recipe.equalized)


def _kind(recipe: Recipe) -> tuple[object, ...]:
    return (
        recipe.format,
        recipe.weights,
        recipe.activations,
        recipe.granularity,
        recipe.symmetric,
        recipe.float_stem,
    )


def _akin(recipe: Recipe, built: Built) -> bool:
    other = built.candidate.made_by
    return _kind(other) == _kind(recipe) and not other.scopes


def _is_static_int8(recipe: Recipe) -> bool:
    plain = not recipe.scopes and not recipe.float_stem
    return plain and recipe.static and recipe.precision == "int8" and recipe.granularity == "channel"


def _with(found: Refined, base: Recipe, more: Sequence[Built]) -> Refined:
    """Every profile that asked for the base may take what was made of it."""
    recipes = [each.candidate.made_by for each in more]

    def extended(target: Target) -> Target:
        return target._replace(recipes=[*target.recipes, *recipes]) if base in target.recipes else target

    plan = found.plan._replace(targets=[extended(target) for target in found.plan.targets])
    return found._replace(plan=plan, built=[*found.built, *more])


def _names(built: Sequence[Built]) -> set[str]:
    return {each.candidate.recipe for each in built}


def _measured(built: Built) -> bool:
    return built.candidate.chosen_on is not None
