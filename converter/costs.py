"""What candidates cost: latency, memory and load time, one process at a time, after everything else has ended."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from converter import choose
from converter.build import Built, Workshop
from converter.candidate import HERE, Cost, Row
from converter.device.host import GoneError
from converter.evaluate import Agent, Bundled
from converter.plan import Target
from firmware_profiles.errors import GodwitError, Problem, UnavailableError
from firmware_profiles.evaluation import Evaluation, SideBySide

COST_RUNS = 200
MEMORY_RUNS = 20
"""After so many inferences a runtime has all the memory that it will take."""


def with_costs(shop: Workshop, targets: Sequence[Target], built: Sequence[Built]) -> list[Built]:
    """The candidates, those that meet the goal with their costs here, then on the device if there is one.

    Raises:
        UnavailableError: the device has gone, or cannot run float, with which everything is compared.
    """
    good = [_meets_the_goal(shop, each) for each in built]
    shop.progress.expect(sum(good) * (2 if shop.device else 1) + len(targets))
    found: list[list[Cost]] = [[] for _ in built]
    for each, costs in _only(good, built, found):
        shop.progress(f"measuring {each.candidate.key}")
        costs += _here(shop, targets, built[0], each)
    if shop.device:
        on_device = [target for target in targets if target.measured_on == shop.device.host]
        float_ = _float_on(shop.device, on_device, built[0])
        for each, costs in _only(good, built, found):
            shop.progress(f"measuring {each.candidate.key} on {shop.device.host}")
            costs += _there(shop, shop.device, on_device, float_, each)
    return [
        each._replace(candidate=msgspec.structs.replace(each.candidate, costs=costs)) if costs else each
        for each, costs in zip(built, found, strict=True)
    ]


def _meets_the_goal(shop: Workshop, built: Built) -> bool:
    found = built.candidate.chosen_on
    return found is not None and found.drop_points <= shop.project.file.goal.max_drop_points


def _only(good: Sequence[bool], built: Sequence[Built], found: Sequence[list[Cost]]) -> list[tuple[Built, list[Cost]]]:
    return [(each, costs) for is_good, each, costs in zip(good, built, found, strict=True) if is_good]


def _here(shop: Workshop, targets: Sequence[Target], reference: Built, built: Built) -> list[Cost]:
    """On the runtime of its accuracy, and of a profile that is this machine the first that takes the format."""
    assert built.evaluated is not None
    assert reference.evaluated is not None
    rows = [built.evaluated.row]
    for target in targets:
        if target.measured_on == HERE:
            here = [row for row in choose.places(target.profile, built.candidate) if row in target.runtimes_here]
            rows += here[:1]
    costs = []
    for row in dict.fromkeys(rows):
        # tflite-runtime shares no environment with the others, so float runs on it too.
        float_ = _bundled(reference, row if row.runtime == "tflite" else reference.evaluated.row)
        try:
            costs.append(_measured(shop.agent_for(row, HERE), float_, _bundled(built, row)))
        except GodwitError:
            continue  # a runtime that does not run it here has no figure; the proof says why
    return costs


def _there(shop: Workshop, device: Agent, targets: Sequence[Target], float_: Bundled, built: Built) -> list[Cost]:
    """On the first of each profile's runtimes that runs it there; each that does not is told."""
    costs: dict[Row, Cost | None] = {}
    for target in targets:
        for row in choose.places(target.profile, built.candidate):
            if row not in costs:
                costs[row] = _tried(shop, device, float_, _bundled(built, row))
            if costs[row]:
                break
    return [cost for cost in costs.values() if cost]


def _tried(shop: Workshop, device: Agent, float_: Bundled, bundled: Bundled) -> Cost | None:
    try:
        return _measured(device, float_, bundled)
    except GoneError:
        raise
    except GodwitError as error:
        reasons = "; ".join(problem.found for problem in error.problems)
        shop.progress.warn(f"{bundled.row} on {device.host} does not run {bundled.bundle.name}: {reasons}")
        return None


def _float_on(device: Agent, targets: Sequence[Target], reference: Built) -> Bundled:
    """Float, on the first runtime that runs it there."""
    assert reference.evaluated is not None
    rows = [row for target in targets for row in choose.places(target.profile, reference.candidate)]
    problems: list[Problem] = []
    for row in dict.fromkeys([*rows, reference.evaluated.row]):
        float_ = _bundled(reference, row)
        try:
            device.evaluate(float_.bundle, row, runs=MEMORY_RUNS)
        except GoneError:
            raise
        except GodwitError as error:
            problems += error.problems
            continue
        return float_
    raise UnavailableError(*problems)


def _bundled(built: Built, row: Row) -> Bundled:
    assert built.draft is not None
    return Bundled(built.draft.bundle, row)


def _measured(agent: Agent, float_: Bundled, bundled: Bundled) -> Cost:
    """In turn with float, and alone."""
    alone = agent.evaluate(bundled.bundle, bundled.row, runs=MEMORY_RUNS)
    in_turn = agent.compare(float_, bundled, COST_RUNS)
    return _cost(agent.host, bundled.row, alone, in_turn)


def _cost(machine: str, row: Row, alone: Evaluation, in_turn: SideBySide) -> Cost:
    return Cost(
        measured_on=machine,
        runtime=row.runtime,
        delegate=row.delegate,
        version=alone.runtime.version,
        threads=alone.threads,
        runs=in_turn.second.runs,
        p50_ms=in_turn.second.p50_ms,
        p95_ms=in_turn.second.p95_ms,
        ratio=round(in_turn.second.p50_ms / in_turn.first.p50_ms, 4),
        float_p50_ms=in_turn.first.p50_ms,
        float_p95_ms=in_turn.first.p95_ms,
        load_ms=alone.load_ms,
        peak_rss_mb=round(alone.peak_rss_bytes / (1 << 20), 1),
        delegated_nodes=alone.runtime.delegated_nodes,
        nodes=alone.runtime.nodes,
        left_nodes=alone.left_nodes,
    )
