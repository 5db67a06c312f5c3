"""What contradicts itself in a declared pre- or post-processing. The project file and the agent ask alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from firmware_profiles.errors import Problem
from firmware_profiles.manifest import AudioSpec, DetectionSpec, InputSpec, OutputSpec, Role
from firmware_profiles.words import Task

TFLITE_ORDER: tuple[Role, ...] = ("boxes", "classes", "scores", "count")
"""Outputs of TFLite's detection post-processing."""


def input_problems(spec: InputSpec, where: str = "input") -> Iterator[Problem]:
    """Of `[input]`, as far as it can be told without the model's shape."""
    if (spec.kind == "audio") != (spec.audio is not None):
        found = 'kind = "audio" without it' if spec.kind == "audio" else f'kind = "{spec.kind}" with it'
        yield Problem(f"{where}.audio", 'a table [input.audio] where kind is "audio", and only there', found, "mend it")
    if spec.audio:
        yield from _audio_problems(spec.audio, f"{where}.audio")
    if spec.crop:
        yield from _crop_problems(spec.crop, f"{where}.crop")
    if spec.kind != "image" and (spec.crop or spec.fit != "stretch"):
        yield Problem(f"{where}.kind", '"image", for crop and fit', f'"{spec.kind}"', "remove them")
    if spec.statistics and spec.kind != "tensor":
        yield Problem(f"{where}.statistics", 'kind = "tensor"', f'"{spec.kind}"', "remove them")
    if spec.statistics and spec.standardise:
        found = "both: a standardised window has the mean 0 and the deviation 1"
        yield Problem(f"{where}.statistics", "statistics or standardise", found, "remove one")


def output_problems(
    spec: OutputSpec, task: Task, labels: Sequence[str], outputs: int | None, where: str = "output"
) -> Iterator[Problem]:
    """Of `[output]`.

    Args:
        outputs: how many tensors the model gives; None where that is not known yet.
    """
    if (task == "detection") != (spec.detection is not None):
        found = "none" if task == "detection" else f"one, of the task {task}"
        expected = "a table [output.detection] for the task detection, and only for it"
        yield Problem(f"{where}.detection", expected, found, "mend it")
    elif spec.detection:
        yield from _detection_problems(spec.detection, labels, outputs, f"{where}.detection")
    if task == "anomaly" and outputs not in (None, 1):
        yield Problem(where, "one output tensor, for the task anomaly", str(outputs), "export it with one output")


def _audio_problems(spec: AudioSpec, where: str) -> Iterator[Problem]:
    if not spec.low_hz < spec.high_hz <= spec.sample_rate / 2:
        expected = f"low_hz below high_hz, at most half of sample_rate ({spec.sample_rate / 2:g})"
        yield Problem(f"{where}.high_hz", expected, f"{spec.low_hz:g} to {spec.high_hz:g}", "correct them")
    if spec.features == "mfcc" and spec.coefficients > spec.bands:
        yield Problem(f"{where}.coefficients", f"at most bands ({spec.bands})", str(spec.coefficients), "correct it")
    if spec.sample_rate * spec.window_ms < 2000:
        yield Problem(f"{where}.window_ms", "at least two samples", f"{spec.window_ms:g}", "correct it")


def _crop_problems(crop: Sequence[float], where: str) -> Iterator[Problem]:
    inside = len(crop) == 4 and crop[2] > 0 and crop[3] > 0 and crop[0] + crop[2] <= 1 and crop[1] + crop[3] <= 1
    if not inside:
        expected = "left, top, width, height inside the image, as shares of it"
        yield Problem(where, expected, str(list(crop)), "as in [0.25, 0.0, 0.5, 1.0]")


def _detection_problems(
    spec: DetectionSpec, labels: Sequence[str], outputs: int | None, where: str
) -> Iterator[Problem]:
    if spec.decoder == "yolo":
        if not labels:
            yield Problem(where, "labels in [model], for the decoder yolo", "none", "name the classes in their order")
        if outputs not in (None, 1):
            yield Problem(where, "one output tensor, for the decoder yolo", str(outputs), "export it with one output")
        return
    roles, step = spec.tensors or TFLITE_ORDER, "name each output of the model once, in its order"
    if len(set(roles)) != len(roles) or not {"boxes", "scores"} <= set(roles):
        expected = "boxes and scores, and perhaps classes and count, each once"
        yield Problem(f"{where}.tensors", expected, ", ".join(roles), step)
    elif outputs not in (None, len(roles)):
        expected = f"as many as the model has outputs ({outputs})"
        yield Problem(f"{where}.tensors", expected, ", ".join(roles), step)
