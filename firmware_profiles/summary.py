"""A result on one line for people. What came from elsewhere may hold any character: who prints it, cleans it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from firmware_profiles import results

_MOST = 4


def one_line(result: results.Result, classes: int = _MOST) -> str:
    """The result in words; at most so many `classes`, and at most four of anything else."""
    match result:
        case results.Classification():
            return ", ".join(f"{_named(each)} {each.score:.2f}" for each in result.top[:classes]) or "no class"
        case results.Regression():
            values = _values(result.values)
            rows = zip_longest(result.names[:_MOST], values, result.units[:_MOST], fillvalue="")
            return ", ".join(" ".join(filter(None, row)) for row in rows) + _more(result.values)
        case results.Detections():
            told = ", ".join(map(_object, result.objects[:_MOST]))
            return told + _more(result.objects) or "no object"
        case results.Segmentation():
            shares = ", ".join(f"{_named(each)} {100 * each.share:.1f} %" for each in result.classes[:_MOST])
            return shares + _more(result.classes)
        case results.Anomaly():
            verdict = {True: "anomaly, ", False: "normal, ", None: ""}[result.is_anomaly]
            return f"{verdict}score {result.score:.4g}"
        case results.Embedding():
            return f"{len(result.vector)} values: " + ", ".join(_values(result.vector)) + _more(result.vector)
        case results.Raw():
            return "; ".join(f"{each.name} {each.shape}: {', '.join(_values(each.values))}" for each in result.tensors)


def _object(found: results.Detection) -> str:
    box = found.box
    then = "".join(f" ({name}: {one_line(said, 1)})" for name, said in found.then.items())
    edges = f"{box.left:.0f},{box.top:.0f}–{box.right:.0f},{box.bottom:.0f}"
    return f"{_named(found)} {found.score:.2f} at {edges}{then}"


def _named(found: results.ClassScore | results.Detection | results.ClassShare) -> str:
    return found.label or str(found.index)


def _values(values: Sequence[float]) -> list[str]:
    return [f"{value:.4g}" for value in values[:_MOST]]


def _more(told: Sequence[object]) -> str:
    return ", …" if len(told) > _MOST else ""
