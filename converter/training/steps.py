"""Recipes that train, by name: steps joined by `+`, then the export's precision: channels50+distil+qat-int8."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal, cast

import msgspec

from firmware_profiles.errors import InputError, Problem, did_you_mean

TrainedPrecision = Literal["float32", "float16", "int8"]
_NAME = re.compile(r"(?P<steps>[a-z0-9]+(\+[a-z0-9]+)*)-(?P<precision>float32|float16|int8)\Z")
_NUMBERED = re.compile(r"(channelsinside|channels|prunelayers|prune|cluster|mobilenet|squeezenet)([1-9][0-9]{0,2})\Z")
_PLAIN = ("distil", "qat", "finetune", "prune2of4", "squeezenet", "mobilenet")
KNOWN = ("channels50", "channelsinside35", "prune70", "prunelayers70", "cluster16", "mobilenet25", *_PLAIN)
"""An example of each step: a number is a part in percent that goes, for cluster the values of a layer, for mobilenet
and squeezenet their width in percent."""

USUAL: tuple[str, ...] = (
    "distil+qat-int8",
    "channelsinside35+distil+qat-int8",
    "channels50+distil+qat-int8",
    "prune70+distil+qat-int8",
)
"""What a search tries, the cheapest first: a dense qat begins where the model is, the others train longer."""

USUAL_IN_FLOAT: tuple[str, ...] = ("channels25+distil-", "channels50+distil-")
"""For profiles without int8; the precision follows."""


class Steps(msgspec.Struct, frozen=True):
    """What a recipe does, in the order that it is done, whatever the order in its name.

    Attributes:
        student: mobilenet or squeezenet in place of the model.
        width: of it, in percent; 0 for the largest that fits the profiles.
        channels, prune: percent that goes.
        inside: only channels that no addition joins to others go.
        scope: where the smallest weights are looked for.
        cluster: values a layer; 0 shares none.
    """

    precision: TrainedPrecision
    student: Literal["", "mobilenet", "squeezenet"] = ""
    width: int = 0
    channels: int = 0
    inside: bool = False
    prune: int = 0
    scope: Literal["global", "layer", "blocks"] = "global"
    cluster: int = 0
    distil: bool = False
    qat: bool = False

    @property
    def in_float(self) -> bool:
        """Something is trained before int8 is simulated: all that changes the model, or plain training on."""
        return bool(self.student or self.channels or self.prune or not self.qat)

    @property
    def phases(self) -> list[str]:
        """The trainings, one after the other."""
        return [
            *(["float"] if self.in_float and not self._only_cluster else []),
            *(["cluster"] if self.cluster else []),
            *(["qat"] if self.qat else []),
        ]

    @property
    def _only_cluster(self) -> bool:
        return bool(self.cluster) and not (self.student or self.channels or self.prune)


def is_trained(name: str) -> bool:
    """Whether the name is of a recipe that trains, or was meant so."""
    return "+" in name or (_NAME.match(name) is not None and not name.startswith(("tflite-", "onnx-")))


def parse(name: str, where: str) -> Steps:
    """What the recipe of that name does.

    Raises:
        InputError: an unknown step, one that is there twice, or steps that do not go together.
    """
    match = _NAME.match(name)
    if match is None:
        step = "as in channels50+distil+qat-int8"
        raise InputError(Problem(where, "steps joined by +, then -float32, -float16 or -int8", repr(name), step))
    precision = cast(TrainedPrecision, match["precision"])
    found: dict[str, object] = {}
    problems = []
    for word in match["steps"].split("+"):
        told = _told(word)
        if told is None:
            problems.append(Problem(where, "a known step", repr(word), did_you_mean(word, KNOWN)))
        elif set(told) & set(found):
            problems.append(Problem(where, "each step once", repr(word), "leave one out"))
        found |= told or {}
    problems += [
        Problem(where, f"a part below 100 % in {key}{part}", f"{part} %", "give a smaller number")
        for key in ("channels", "prune")
        if isinstance(part := found.get(key, 0), int) and part >= 100
    ]
    if found.get("qat") and precision != "int8":
        problems.append(Problem(where, "-int8 after qat", f"-{precision}", "correct the name"))
    if found.get("cluster") and precision == "int8" and not found.get("qat"):
        step = "add +qat, which gives a layer one scale"
        problems.append(Problem(where, "shared values that stay shared", "a scale for each channel of int8", step))
    if problems:
        raise InputError(*problems)
    found.pop("finetune", None)
    return msgspec.convert({"precision": precision, **found}, Steps)


def problems(names: Iterable[str], where: str) -> Iterator[Problem]:
    """Everything that is wrong with names of recipes."""
    for name in names:
        try:
            parse(name, where)
        except InputError as error:
            yield from error.problems


def _told(word: str) -> dict[str, object] | None:
    if word == "prune2of4":
        return {"prune": 50, "scope": "blocks"}
    if word in ("mobilenet", "squeezenet"):
        return {"student": word, "width": 0}
    if word in _PLAIN:
        return {word: True}
    match = _NUMBERED.match(word)
    if match is None:
        return None
    kind, number = match[1], int(match[2])
    if kind in ("mobilenet", "squeezenet"):
        return {"student": kind, "width": number}
    if kind == "channelsinside":
        return {"channels": number, "inside": True}
    return {"prune": number, "scope": "layer"} if kind == "prunelayers" else {kind: number}
