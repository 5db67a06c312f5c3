"""The choice is pure: candidates and a profile in, verdicts out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from converter.candidate import HERE, Candidate, Cost, Row
from converter.choose import AS_FAST, choose
from converter.compare import Comparison
from converter.pareto import front
from converter.recipes import BY_NAME
from firmware_profiles import profile as profiles
from firmware_profiles.profile import Profile

X86 = profiles.load("linux-x86_64")
JETSON = profiles.load("jetson-orin-nano")
PI5 = profiles.load("raspberry-pi-5")
LITERT, ORT = Row("litert", "xnnpack"), Row("onnx", "cpu")


def cost(row: Row, p50_ms: float, **changes: float) -> Cost:
    values: dict[str, Any] = {
        "ratio": p50_ms,
        "float_p50_ms": 1.0,
        "float_p95_ms": 1.0,
        "load_ms": 1.0,
        "peak_rss_mb": 60.0,
        **changes,
    }
    return Cost(HERE, row.runtime, row.delegate, "1.0", 1, 200, p50_ms, **{"p95_ms": p50_ms * 1.2, **values})


def compared(drop: float) -> Comparison:
    return Comparison(items=100, score=0.9, reference_score=0.9, agreement_percent=99.0, drop_points=drop)


def candidates(drop: float = 0.0, **p50_ms: float) -> list[Candidate]:
    """One of every recipe; sizes as real ones relate."""
    sizes = {"tflite-float32": 320, "tflite-float16": 170, "tflite-int8": 98, "onnx-float32": 322, "onnx-int8": 115}
    made = []
    for recipe in map(BY_NAME.__getitem__, sizes):
        row = LITERT if recipe.format == "tflite" else ORT
        made.append(
            Candidate(
                key=recipe.name,
                recipe=recipe.name,
                made_by=recipe,
                title=recipe.title,
                format=recipe.format,
                precision=recipe.precision,
                activations=recipe.symmetry,
                outcome="measured",
                size_bytes=sizes[recipe.name] * 1000,
                multiply_adds=1000,
                chosen_on=compared(drop),
                costs=[cost(row, p50_ms.get(recipe.name.replace("-", "_"), 1.0))],
            )
        )
    return made


def drop_of(candidate: Candidate) -> float:
    assert candidate.chosen_on is not None
    return candidate.chosen_on.drop_points


def changed(those: list[Candidate], recipe: str, **values: Any) -> list[Candidate]:
    return [msgspec.structs.replace(each, **values) if each.recipe == recipe else each for each in those]


def winner(profile: Profile, those: list[Candidate], optimise: Any = "latency", measured_on: str = "") -> str:
    verdicts = choose(profile, those, 1.0, optimise, measured_on)
    return verdicts[0].key if verdicts[0].chosen else ""


def reason(profile: Profile, those: list[Candidate], recipe: str, measured_on: str = "") -> str:
    verdicts = choose(profile, those, 1.0, "latency", measured_on)
    return next(verdict.reason for verdict in verdicts if verdict.key == recipe)


def test_on_this_machine_the_fastest_wins_though_the_rules_would_take_another() -> None:
    those = candidates(tflite_int8=2.0, onnx_float32=0.5)
    assert winner(X86, those, measured_on=HERE) == "onnx-float32"
    assert winner(X86, those, measured_on="") == "tflite-int8"
    assert reason(X86, those, "tflite-int8", measured_on=HERE) == "slower: ×2 of float's p50 against ×0.5"


@pytest.mark.parametrize(("tflite_ms", "expected"), [(0.305, "tflite-int8"), (0.32, "onnx-int8")])
def test_of_two_about_as_fast_the_smaller_wins(tflite_ms: float, expected: str) -> None:
    assert winner(X86, candidates(tflite_int8=tflite_ms, onnx_int8=0.3), measured_on=HERE) == expected


@given(
    st.lists(st.sampled_from([1.0, 1.001, 1.04, 1.2]), min_size=5, max_size=5),
    st.lists(st.sampled_from([100, 200]), min_size=5, max_size=5),
)
def test_nothing_beats_the_winner_in_everything(ratios: list[float], sizes: list[int]) -> None:
    those = [
        msgspec.structs.replace(each, size_bytes=size, costs=[cost(LITERT if each.format == "tflite" else ORT, ratio)])
        for each, ratio, size in zip(candidates(), ratios, sizes, strict=True)
    ]
    winner = choose(X86, those, 1.0, "latency", HERE)[0]
    assert winner.chosen
    assert winner.key in front(those)


def test_the_goal_size_takes_the_smallest() -> None:
    assert winner(X86, candidates(onnx_float32=0.1), "size", measured_on=HERE) == "tflite-int8"
    assert winner(JETSON, candidates(), "size") == "tflite-int8"


def test_elsewhere_what_was_measured_here_does_not_decide() -> None:
    slow = candidates(tflite_int8=1000.0)
    assert winner(PI5, slow) == "tflite-int8"


def test_asymmetric_int8_is_not_accelerated_where_symmetric_is_wanted() -> None:
    those = candidates()
    assert winner(JETSON, those) == "onnx-float32"
    assert "symmetric activations only" in reason(JETSON, those, "onnx-int8")
    symmetric = changed(those, "onnx-int8", activations="symmetric")
    assert winner(JETSON, symmetric) == "onnx-int8"


def test_a_later_runtime_of_the_profile_loses() -> None:
    assert reason(PI5, candidates(), "onnx-int8") == "runs on onnx/cpu, which the profile lists after litert/xnnpack"


def test_size_decides_between_equals_then_multiply_adds() -> None:
    those = changed(candidates(), "tflite-float16", precision="float32", size_bytes=1000)
    kept = [each for each in those if each.recipe in ("tflite-float16", "tflite-float32")]
    assert winner(PI5, kept) == "tflite-float16"
    equal = changed(changed(kept, "tflite-float32", size_bytes=1000), "tflite-float16", multiply_adds=1001)
    assert winner(PI5, equal) == "tflite-float32"
    assert reason(PI5, equal, "tflite-float16") == "1,001 multiply-adds against 1,000"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"chosen_on": compared(1.01)}, "loses 1.01 points"),
        ({"confirmed_on": compared(1.01)}, "was ahead, but loses 1.01 points on the half that confirms"),
        ({"size_bytes": 600 << 20}, "takes at most 500 MB"),
        ({"outcome": "failed", "reason": "it crashed", "chosen_on": None}, "failed: it crashed"),
        ({"outcome": "declined", "reason": "no route", "chosen_on": None}, "declined: no route"),
        ({"costs": []}, "none of the profile's runtimes ran it on this machine"),
        ({"costs": [cost(LITERT, 1.0, p95_ms=201.0)]}, "the profile allows 200 ms"),
        ({"costs": [cost(LITERT, 1.0, peak_rss_mb=1025.0)]}, "the profile allows 1024 MB"),
    ],
)
def test_what_may_not_be_used_says_why(values: dict[str, Any], told: str) -> None:
    those = changed(candidates(tflite_int8=0.1), "tflite-int8", **values)
    assert winner(X86, those, measured_on=HERE) != "tflite-int8"
    assert told in reason(X86, those, "tflite-int8", measured_on=HERE)


def test_exactly_the_goal_passes() -> None:
    assert winner(X86, candidates(drop=1.0), measured_on=HERE)


def test_nothing_that_meets_the_goal_means_no_winner() -> None:
    verdicts = choose(X86, candidates(drop=1.5), 1.0, "latency", measured_on=HERE)
    assert not any(verdict.chosen for verdict in verdicts)
    assert len(verdicts) == 5


@given(
    drops=st.lists(st.floats(-2, 3), min_size=5, max_size=5),
    times_ms=st.lists(st.floats(0.01, 300), min_size=5, max_size=5),
    measured_on=st.sampled_from(["", HERE]),
)
def test_one_verdict_a_candidate_and_a_winner_that_is_allowed(
    drops: list[float], times_ms: list[float], measured_on: str
) -> None:
    those = [
        msgspec.structs.replace(
            each, chosen_on=compared(drop), costs=[cost(LITERT if each.format == "tflite" else ORT, time)]
        )
        for each, drop, time in zip(candidates(), drops, times_ms, strict=True)
    ]
    verdicts = choose(X86, those, 1.0, "latency", measured_on)
    assert sorted(verdict.key for verdict in verdicts) == sorted(each.recipe for each in candidates())
    assert all(verdict.reason for verdict in verdicts)
    assert sum(verdict.chosen for verdict in verdicts) <= 1
    by_name = {each.recipe: each for each in those}
    if verdicts[0].chosen:
        best = by_name[verdicts[0].key]
        assert drop_of(best) <= 1.0
        if measured_on:
            fit = [each for each in those if drop_of(each) <= 1.0 and each.costs[0].p95_ms <= 200]
            fastest_ms = min(each.costs[0].p50_ms for each in fit)
            as_fast = [each for each in fit if each.costs[0].p50_ms <= fastest_ms * (1 + AS_FAST / 2)]
            # Between "about as fast" and its half either may win: rounding decides at the edge.
            assert best.costs[0].p50_ms <= fastest_ms * (1 + AS_FAST) * (1 + 1e-9)
            assert best.size_bytes <= min(each.size_bytes for each in as_fast)
