"""The choice for each profile, confirmed on the items that took no part in it."""

from __future__ import annotations

from collections.abc import Sequence

from converter import build, choose
from converter.build import Built
from converter.choose import Verdict
from converter.judge import Judge
from converter.plan import Target
from converter.project import GoalTable


def verdicts(goal: GoalTable, target: Target, built: Sequence[Built]) -> list[Verdict]:
    """On every candidate that the profile asked for."""
    names = {recipe.name for recipe in target.recipes}
    candidates = [each.candidate for each in built if each.candidate.recipe in names]
    declined = [
        Verdict(each.candidate.key, False, f"declined: {target.declined[each.candidate.recipe]}")
        for each in built
        if each.candidate.recipe in target.declined
    ]
    found = choose.choose(target.profile, candidates, goal.max_drop_points, goal.optimise, target.measured_on)
    return found + declined


def confirmed(goal: GoalTable, targets: Sequence[Target], judging: Judge, built: Sequence[Built]) -> list[Built]:
    """The candidates, with a confirmation of float and of each that a profile would choose.

    One that does not hold the goal there is chosen no more, and the next is confirmed.
    """
    settled: dict[str, Built] = {each.candidate.key: each for each in built}
    reference = built[0]
    settled[reference.candidate.key] = build.confirmed(judging, reference)
    for target in targets:
        while winner := _unconfirmed_winner(goal, target, list(settled.values())):
            settled[winner] = build.confirmed(judging, settled[winner])
            if settled[winner].candidate.confirmed_on is None:
                break
    return list(settled.values())


def _unconfirmed_winner(goal: GoalTable, target: Target, built: Sequence[Built]) -> str | None:
    best = next(iter(verdicts(goal, target, built)), None)
    if best is None or not best.chosen:
        return None
    candidate = next(each.candidate for each in built if each.candidate.key == best.key)
    return None if candidate.confirmed_on else best.key
