"""Which candidate a profile gets, and why each of the others did not. Pure functions.

A profile is decided by what was measured on such a device: this machine, or another that was measured on.
For any other the profile's own rules decide, since figures of another machine mislead (a Pi 4 has no dot
product, TensorRT wants symmetric int8): the order of its runtimes, the precisions that each accelerates,
size, multiply-adds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import msgspec

from converter import delegation
from converter.candidate import RUNTIMES_OF_FORMAT, Candidate, Cost, Row
from firmware_profiles.profile import Profile, RuntimeRow
from firmware_profiles.words import Precision

Optimise = Literal["latency", "size"]
_MB = 1 << 20
AS_FAST = 0.05
"""Ratios so near to each other are equal: two measurements of one model on a quiet machine differ by up to
3 % here. What decides then is the size."""


class Verdict(msgspec.Struct, frozen=True):
    """One candidate's place for one profile.

    Attributes:
        key: of the candidate.
        reason: why it was chosen, or in one phrase why it was not.
    """

    key: str
    chosen: bool
    reason: str


class _Step(NamedTuple):
    """One comparison: the smaller key wins; `phrase(winner, loser)` tells the loser why."""

    key: Callable[[Candidate], float]
    phrase: Callable[[Candidate, Candidate], str]
    praise: Callable[[Candidate], str]


def choose(
    profile: Profile, candidates: Sequence[Candidate], max_drop_points: float, optimise: Optimise, measured_on: str
) -> list[Verdict]:
    """Verdicts on all the candidates, the chosen one first if there is any.

    Args:
        measured_on: the machine that is such a device, so that what was measured on it decides; empty
            where there is none.
    """
    faults = [(each, _fault(profile, each, max_drop_points, measured_on)) for each in candidates]
    fit = [each for each, fault in faults if not fault]
    steps = _measured_steps(profile, fit, optimise, measured_on) if measured_on else _rule_steps(profile, optimise)
    fit.sort(key=lambda each: [step.key(each) for step in steps])
    verdicts = [Verdict(each.key, False, _why_lost(fit[0], each, steps)) for each in fit[1:]]
    if fit:
        verdicts.insert(0, Verdict(fit[0].key, True, _why_won(fit, steps)))
    return verdicts + [Verdict(each.key, False, fault) for each, fault in faults if fault]


def rows_for(profile: Profile, candidate: Candidate) -> list[RuntimeRow]:
    """The profile's runtime rows that can take the candidate, in its order."""
    return [row for row in _of_format(profile, candidate) if not delegation.refuses(row, candidate)]


def refusals(profile: Profile, candidate: Candidate) -> dict[Row, str]:
    """The rows that take its format but not the model, and why."""
    return {
        Row(row.runtime, row.delegate): reason
        for row in _of_format(profile, candidate)
        if (reason := delegation.refuses(row, candidate))
    }


def places(profile: Profile, candidate: Candidate) -> list[Row]:
    """The same as plain rows."""
    return [Row(row.runtime, row.delegate) for row in rows_for(profile, candidate)]


def _of_format(profile: Profile, candidate: Candidate) -> list[RuntimeRow]:
    return [row for row in profile.runtimes if row.runtime in RUNTIMES_OF_FORMAT[candidate.format]]


def _fault(profile: Profile, candidate: Candidate, max_drop_points: float, measured_on: str) -> str:
    """Why the candidate cannot be used at all; empty if it can."""
    if candidate.outcome != "measured" or candidate.chosen_on is None:
        return f"{candidate.outcome}: {candidate.reason}"
    if candidate.chosen_on.drop_points > max_drop_points:
        return f"loses {candidate.chosen_on.drop_points:.2f} points, at most {max_drop_points:g} may be lost"
    if candidate.confirmed_on and candidate.confirmed_on.drop_points > max_drop_points:
        drop_points = candidate.confirmed_on.drop_points
        return f"was ahead, but loses {drop_points:.2f} points on the half that confirms"
    limits = profile.limits
    if candidate.size_bytes > limits.model_mb * _MB:
        return f"{candidate.size_bytes / _MB:.1f} MB, the profile takes at most {limits.model_mb:g} MB"
    if not rows_for(profile, candidate):
        reasons = "; ".join(refusals(profile, candidate).values())
        return reasons or f"no runtime of the profile takes {candidate.format}"
    cost = candidate.cost_on(places(profile, candidate), measured_on)
    if fallback := delegation.unlisted_fallback(profile, candidate, cost):
        return fallback
    if not measured_on:
        return ""
    if cost is None:
        return f"none of the profile's runtimes ran it on {measured_on}"
    if cost.p95_ms > limits.p95_ms:
        return f"p95 of {cost.p95_ms:.3g} ms, the profile allows {limits.p95_ms:g} ms"
    if cost.peak_rss_mb > limits.peak_rss_mb:
        return f"peak memory of {cost.peak_rss_mb:.0f} MB, the profile allows {limits.peak_rss_mb:g} MB"
    return ""


def _measured_steps(profile: Profile, fit: Sequence[Candidate], optimise: Optimise, measured_on: str) -> list[_Step]:
    def cost(candidate: Candidate) -> Cost:
        found = candidate.cost_on(places(profile, candidate), measured_on)
        assert found is not None
        return found

    fastest = min((cost(each).ratio for each in fit), default=0.0)

    def slowness(candidate: Candidate) -> float:
        """The ratio to float, measured in turn: what slows the machine for a while slows both."""
        ratio = cost(candidate).ratio
        return fastest if ratio <= fastest * (1 + AS_FAST) else ratio

    latency = _Step(
        slowness,
        lambda winner, loser: f"slower: ×{cost(loser).ratio:.3g} of float's p50 against ×{cost(winner).ratio:.3g}",
        lambda winner: f"fastest on {measured_on}: ×{cost(winner).ratio:.3g} of float's p50",
    )
    smallest_of_fast = _SIZE._replace(
        praise=lambda winner: f"{latency.praise(winner)}; {_kb(winner)}, the smallest of those as fast"
    )
    # Of those as fast and as small the faster: else another one would beat the winner on the Pareto front.
    exactly = latency._replace(key=lambda candidate: cost(candidate).ratio)
    return [latency, smallest_of_fast, exactly] if optimise == "latency" else [_SIZE, latency, exactly]


def _rule_steps(profile: Profile, optimise: Optimise) -> list[_Step]:
    def first(candidate: Candidate) -> RuntimeRow:
        return rows_for(profile, candidate)[0]

    def row_rank(candidate: Candidate) -> int:
        return profile.runtimes.index(first(candidate))

    def told(candidate: Candidate) -> str:
        return f"{first(candidate).runtime}/{first(candidate).delegate}"

    order = _Step(
        row_rank,
        lambda winner, loser: f"runs on {told(loser)}, which the profile lists after {told(winner)}",
        lambda winner: f"runs on {told(winner)}, the first runtime of the profile",
    )
    speed = _Step(
        lambda candidate: _acceleration_rank(first(candidate), candidate),
        lambda winner, loser: _slower_by_rule(first(loser), winner, loser),
        lambda winner: f"{told(winner)} accelerates {_computed_in(winner)}",
    )
    rules = [order, speed, _SIZE, _MULTIPLY_ADDS]
    return rules if optimise == "latency" else [_SIZE, order, speed, _MULTIPLY_ADDS]


def _acceleration_rank(row: RuntimeRow, candidate: Candidate) -> int:
    """Place in the row's list; what it does not accelerate comes after all that it does."""
    if _wrong_symmetry(row, candidate) or _computed_in(candidate) not in row.accelerates:
        return len(row.accelerates)
    return row.accelerates.index(_computed_in(candidate))


def _computed_in(candidate: Candidate) -> Precision:
    """Integer weights under float activations are made float again before they are multiplied."""
    stored_small = candidate.precision in ("int8", "int4") and candidate.activations is None
    return "float32" if stored_small else candidate.precision


def _wrong_symmetry(row: RuntimeRow, candidate: Candidate) -> bool:
    return row.activations == "symmetric" and candidate.activations == "asymmetric"


def _slower_by_rule(row: RuntimeRow, winner: Candidate, loser: Candidate) -> str:
    where = f"{row.runtime}/{row.delegate}"
    if _wrong_symmetry(row, loser):
        return f"{where} accelerates {loser.precision} with symmetric activations only, these are asymmetric"
    if _computed_in(loser) not in row.accelerates:
        return f"{where} does not accelerate {_computed_in(loser)}"
    return f"{where} accelerates {_computed_in(winner)} more than {_computed_in(loser)}"


_SIZE = _Step(
    lambda candidate: candidate.size_bytes,
    lambda winner, loser: f"larger: {_kb(loser)} against {_kb(winner)}",
    lambda winner: f"smallest: {_kb(winner)}",
)
_MULTIPLY_ADDS = _Step(
    lambda candidate: candidate.multiply_adds,
    lambda winner, loser: f"{loser.multiply_adds:,} multiply-adds against {winner.multiply_adds:,}",
    lambda winner: f"fewest multiply-adds: {winner.multiply_adds:,}",
)


def _kb(candidate: Candidate) -> str:
    return f"{candidate.size_bytes / 1e3:,.1f} kB"


def _why_lost(winner: Candidate, loser: Candidate, steps: Sequence[_Step]) -> str:
    for step in steps:
        if step.key(loser) != step.key(winner):
            return step.phrase(winner, loser)
    return "equal in everything that decides; listed later"


def _why_won(fit: Sequence[Candidate], steps: Sequence[_Step]) -> str:
    """What set it apart from the runner-up."""
    if len(fit) == 1:
        return "the only one that meets the goal and the profile's limits"
    deciding = next((step for step in steps if step.key(fit[0]) != step.key(fit[1])), steps[0])
    return deciding.praise(fit[0])
