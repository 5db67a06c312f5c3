"""The Pareto front of the candidates: those that no other beats in accuracy, latency and size at once. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from converter.candidate import Candidate

_Point = tuple[float, float, int]


def front(candidates: Sequence[Candidate]) -> list[str]:
    """Keys of the candidates on the front, as they are listed; who has no latency takes no part.

    A candidate is off the front if another is as good in all three and better in one. Accuracy is what
    is lost on the items that the choice was made on, latency the ratio to float on the first runtime that
    was measured, size that of the model file.
    """
    points = {each.key: point for each in candidates if (point := _point(each))}
    return [key for key, point in points.items() if not any(_dominates(other, point) for other in points.values())]


def _point(candidate: Candidate) -> _Point | None:
    if candidate.chosen_on is None or not candidate.costs:
        return None
    return candidate.chosen_on.drop_points, candidate.costs[0].ratio, candidate.size_bytes


def _dominates(one: _Point, other: _Point) -> bool:
    return one != other and all(mine <= theirs for mine, theirs in zip(one, other, strict=True))
