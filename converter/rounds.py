"""What is tried: every wanted recipe of every source, then, source by source, what a second round adds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from converter import build, plan, refine
from converter.build import Built, Trial, Workshop
from converter.judge import Judge
from converter.plan import Plan
from converter.protocol import Declined, Failed, Rank, Ranked
from converter.recipes import Recipe, decline, reference
from converter.refine import Refined
from converter.sources import Loaded


def tried(shop: Workshop, planned: Plan, loaded: Sequence[Loaded], calibration: Path) -> tuple[Judge, Refined]:
    """All candidates, the yardstick first, and the judge of them. Raises as `build.build`."""
    judging, built = build.build(shop, _first_round(planned, loaded), calibration)
    found = Refined(planned, [], [])
    for each in loaded:
        own = [one for one in built if one.candidate.model == each.source.name]
        more = _second_round(shop, found.plan, each, calibration, judging, own)
        found = Refined(more.plan, found.built + more.built, found.sensitivity + more.sensitivity)
    return judging, found


def _first_round(planned: Plan, loaded: Sequence[Loaded]) -> list[Trial]:
    """The yardstick first and in any case: everything is compared with it."""
    declined = plan.declined_by_all(planned)
    yardstick = Trial(loaded[0], reference(loaded[0].source.format, loaded[0].description.precision))
    trials = []
    for each in loaded:
        for recipe in planned.wanted:
            reason = declined.get(recipe.name) or decline(recipe, each.source.format, each.description.precision)
            trials.append(Trial(each, recipe, reason))
    return [yardstick, *(trial for trial in trials if trial.key != yardstick.key)]


def _second_round(
    shop: Workshop, planned: Plan, loaded: Loaded, calibration: Path, judging: Judge, built: Sequence[Built]
) -> Refined:
    most_points = shop.project.file.goal.max_drop_points

    def drop_points(each: Built) -> float:
        told = build.confirmed(judging, each).candidate
        return max(found.drop_points for found in (told.chosen_on, told.confirmed_on) if found)

    in_float = [each for each in built if each.candidate.precision == "float32" and each.evaluated]
    if in_float and min(map(drop_points, in_float)) > most_points:
        return Refined(planned, list(built), [])  # a model that loses too much even in float

    def ranked(recipe: Recipe) -> Ranked | Declined | Failed:
        shop.progress(f"finding the layers that suffer most from {recipe.name}")
        return loaded.routes.rank(Rank(recipe, loaded.fitted.shape, str(calibration)))

    return refine.refined(
        planned,
        built,
        drop_points,
        most_points,
        lambda recipe: build.attempt(shop, judging, Trial(loaded, recipe), calibration),
        ranked,
    )
