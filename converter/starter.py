"""`godwit init`: a first project file for a trained model."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from converter import fitting
from converter.cache import Cache
from converter.evaluate import Agent
from converter.formats import base
from converter.hosts import Here
from converter.processes import Processes
from converter.progress import Progress
from converter.project import DataTable, ModelTable, Project, ProjectFile, TargetsTable
from converter.protocol import Description
from converter.routes import Routes
from converter.source import Source
from firmware_profiles import atomic, declared
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import DetectionSpec, InputSpec, OutputSpec
from firmware_profiles.profile import is_this_machine, load, names
from firmware_profiles.words import Task

_TEMPLATE = """\
# Written by `godwit init`. Read it through: what could not be known was guessed.

[model]
name = {name}
version = "1.0.0"
source = {source}
task = {task}
{labels}

# [[model.candidate]]                # another model for the same task, which competes with it
# name = "small"
# source = "small.keras"

[input]
kind = {kind}                      # pre-processing: value * scale, - mean, / std
{image}# scale = 0.00392156862745098      # if the model was trained on values from 0 to 1
# mean = [0.485, 0.456, 0.406]
# std = [0.229, 0.224, 0.225]

[output]                             # more: docs/howto/input-output.md
{post}

[data]
calibration = {data}      # better: some hundred items of the training data
evaluation = {data}       # data that the model has not seen{unlabelled}

[goal]
max_drop_points = 1.0
optimise = "latency"                 # or "size"
# metric = "f1"                      # top5, auc, rmse, r2, or a function of your own: "module:function"

[golden]
inputs = "synthetic"                 # "evaluation" would put items of your data into the bundle

[targets]
profiles = [{profiles}]  # more: godwit profiles
"""


_POST: dict[Task, str] = {
    "classification": 'activation = "none"                  # "softmax" if the model gives logits',
    "regression": '# units = ["°C"]                     # of the values; scale and offset bring them there',
    "detection": """threshold = 0.25

[output.detection]
decoder = "{decoder}"
# unit = "share"                     # of the boxes, if they are shares of the model's input, or "pixel"
# objectness = true                  # if rows of yolo have one""",
    "segmentation": '# activation = "sigmoid"             # if a single plane holds logits',
    "anomaly": "# threshold = 0.1                    # an anomaly is what scores more",
    "embedding": "normalise = false",
    "raw": "# the task raw publishes the output tensors as they are",
}


def write(model: Path, data: Path, output: Path) -> None:
    """Write `output` for the model, guessing from its shape and from `data`.

    Raises:
        InputError: the model or the data cannot be read or do not fit, or `output` exists.
    """
    if output.exists():
        raise InputError(Problem(str(output), "no such file yet", "one", "remove it, or choose another --output"))
    if not output.parent.is_dir():
        raise InputError(Problem(str(output), "an existing folder", "none", "make the folder"))
    source = Source(model, base.detect(model))
    with tempfile.TemporaryDirectory(prefix="godwit-init-") as folder, Processes(Path(folder)) as processes:
        description = Routes(processes, Path(folder), Progress(), source).describe()
        guessed = _guess(model, data, output, description)
        sample = Path(folder) / "sample.npz"
        Agent(Here(processes), Cache(None)).tensors(fitting.fit(guessed, source, description).entry, data, sample, 64)
        with np.load(sample) as arrays:
            labelled = "y" in arrays
    atomic.write_bytes(output, _text(guessed, description, labelled=labelled).encode())


def _guess(model: Path, data: Path, output: Path, description: Description) -> Project:
    """The project that the file will say."""
    shape = description.inputs[0].shape
    first, last = (shape[1], shape[3]) if len(shape) == 4 else (0, 0)
    layout: Literal["nhwc", "nchw"] = "nchw" if first in (1, 3) and last not in (1, 3) else "nhwc"
    channels = first if layout == "nchw" else last
    image = channels in (1, 3) and _holds_images(data)
    colour: Literal["rgb", "gray"] = "gray" if channels == 1 else "rgb"
    spec = InputSpec("image", colour=colour, layout=layout) if image else InputSpec("tensor")
    task, post, labels = _guess_task(description, image=image)
    table = ModelTable(_name(model), "1.0.0", _relative(model, output), task, labels=list(labels))
    here = [name for name in names() if is_this_machine(load(name))]
    places = _relative(data, output)
    file = ProjectFile(table, spec, DataTable(places, places), TargetsTable([*here, "raspberry-pi-5"]), post)
    return Project(output, file, [])


class _Guess(NamedTuple):
    """What a model is for."""

    task: Task
    post: OutputSpec = OutputSpec()
    labels: Sequence[str] = ()


def _guess_task(description: Description, *, image: bool) -> _Guess:
    """By the shapes: four outputs of which one holds boxes, rows that begin with a box, a score for each pixel."""
    given, wanted = [port.shape for port in description.outputs], description.inputs[0].shape
    first = given[0]
    if len(given) == len(declared.TFLITE_ORDER) and any(len(shape) == 3 and shape[-1] == 4 for shape in given):
        return _Guess("detection", OutputSpec(detection=DetectionSpec("boxes_scores_classes")))
    if len(given) > 1:
        return _Guess("raw")
    if first == wanted:
        return _Guess("anomaly")
    if image and len(first) == 3 and min(first[1:]) > 4:
        labels = [str(index) for index in range(min(first[1:]) - 4)]
        return _Guess("detection", OutputSpec(detection=DetectionSpec("yolo")), labels)
    if image and len(first) == 4 and first[1:3] != [1, 1] and first[2:] != [1, 1]:
        return _Guess("segmentation")
    return _Guess("classification" if first and first[-1] > 1 else "regression")


def _holds_images(data: Path) -> bool:
    """A folder of pictures, or whole bytes in an .npz."""
    if data.suffix != ".npz":
        return data.is_dir()
    try:
        with np.load(data) as arrays:
            return "x" in arrays and arrays["x"].dtype == np.uint8
    except (OSError, ValueError):
        return False


def _text(project: Project, description: Description, *, labelled: bool) -> str:
    file = project.file
    spec = f'colour = "{file.input.colour}"\nlayout = "{file.input.layout}"\n' if file.input.kind == "image" else ""
    outputs = description.outputs[0].shape
    return _TEMPLATE.format(
        name=json.dumps(file.model.name),
        source=json.dumps(file.model.source),
        task=json.dumps(file.model.task),
        labels=_labels(file.model, outputs[-1] if outputs else 1),
        post=_POST[file.model.task].format(decoder=file.output.detection and file.output.detection.decoder),
        kind=json.dumps(file.input.kind),
        image=spec,
        data=json.dumps(file.data.evaluation),
        unlabelled="" if labelled else "; without labels, agreement with the float model is measured",
        profiles=", ".join(map(json.dumps, file.targets.profiles)),
    )


def _labels(table: ModelTable, classes: int) -> str:
    if table.labels:
        return f"labels = {json.dumps(table.labels)}  # their names, in the order of the model's output"
    return f'# labels = ["cat", "dog"]            # {classes} names, in the order of the model\'s output'


def _name(model: Path) -> str:
    plain = re.sub(r"[^a-z0-9_.-]+", "-", model.stem.lower()).strip("-._")
    return plain[:64] or "model"


def _relative(path: Path, output: Path) -> str:
    return os.path.relpath(path, output.parent)
