"""The demo's arithmetic: what was received against what was replayed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from tools.demo_live import Live


class Score(NamedTuple):
    """Counts of inputs, matched by their identity (source, position).

    Attributes:
        produced: items of the replayed file.
        received: of them, how many have a prediction.
        duplicated: deliveries beyond the first for an input; `repeats` of them bear the identity of
            a message that came before, so that a receiver drops them.
        accuracy: share of the received ones whose best class is the file's label.
    """

    produced: int
    received: int
    lost: int
    duplicated: int
    repeats: int
    accuracy: float


def score(source: str, labels: Sequence[int], predictions: Sequence[dict[str, Any]]) -> Score:
    """Match `predictions`, documents of `godwit watch --json`, with the labels of the file in its order."""
    answers: dict[int, int] = {}
    deliveries = repeats = 0
    for line in predictions:
        answered = line["message"]["input"]
        if answered["source"] != source or not 0 <= answered["position"] < len(labels):
            continue
        deliveries += 1
        repeats += line["repeated"]
        answers.setdefault(answered["position"], line["message"]["result"]["top"][0]["index"])
    right = sum(labels[position] == index for position, index in answers.items())
    received = len(answers)
    return Score(
        len(labels), received, len(labels) - received, deliveries - received, repeats, right / max(1, received)
    )


def summarise(report: dict[str, Any], counted: Score, live: Live) -> dict[str, Any]:
    """The figures of `summary.json`. A bundle not measured on its device has this machine's `p50_ms`."""
    candidates = {each["key"]: each for each in report["candidates"]}
    chosen = [(each, candidates[each["chosen"]]) for each in report["profiles"] if each["chosen"]]
    return {
        "profiles": [
            {
                "profile": profile["profile"],
                "recipe": candidate["recipe"],
                "format": candidate["format"],
                "accuracy": _over_both_halves(candidate, "score"),
                "float_accuracy": _over_both_halves(candidate, "reference_score"),
                "size_bytes": candidate["size_bytes"],
                "p50_ms": profile["cost"]["p50_ms"],
            }
            for profile, candidate in chosen
        ],
        "predictions": {key: getattr(counted, key) for key in ("produced", "received", "lost", "duplicated")},
        "accuracy_over_mqtt": counted.accuracy,
        "cold_start_ms": round(live.cold_start_ms, 1),
        "supervisor_pss_mb": round(live.supervisor_pss_mb, 2),
        "worker_pss_mb": round(live.worker_pss_mb, 2),
    }


def _over_both_halves(candidate: dict[str, Any], score: str) -> float:
    """The share over all items: one half chose the candidate, the other confirmed it, and both are replayed."""
    halves = [candidate["chosen_on"], candidate["confirmed_on"]]
    total = sum(half["items"] for half in halves)
    return float(sum(half[score] * half["items"] for half in halves) / total)
