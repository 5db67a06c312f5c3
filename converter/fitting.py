"""The project's declarations and the model's own shape, brought together and checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from converter import pack
from converter.project import Project
from converter.protocol import Description, Port
from converter.source import Source
from firmware_profiles import declared, manifest
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.manifest import InputSpec, Tensor


class Fitted(NamedTuple):
    """The model as the project declares it.

    Attributes:
        shape: of the input, with the batch of 1.
        entry: for the manifest, before any recipe.
    """

    shape: list[int]
    entry: manifest.Model


def fit(project: Project, source: Source, description: Description) -> Fitted:
    """Fix the input's shape and check the declarations against the model.

    Raises:
        InputError: everything in which they disagree.
    """
    port = description.inputs[0]
    pre, shape = declared_input(project, source, port)
    problems = [*_shape_problems(project, source, port, pre, shape), *_label_problems(project, description)]
    if problems:
        raise InputError(*problems)
    inputs = [Tensor(port.name, shape, port.dtype)]
    outputs = [Tensor(port.name, [size or 1 for size in port.shape], port.dtype) for port in description.outputs]
    return Fitted(shape, pack.model_entry(project, pre, inputs, outputs))


def declared_input(project: Project, source: Source, port: Port) -> tuple[InputSpec, list[int]]:
    """The pre-processing with its sizes, and the input's shape with the batch of 1; 0 where nobody says a size."""
    pre = project.file.input
    shape = [1, *_closed(port.shape[1:], list(source.input_shape))]
    return _sized(pre, shape) if pre.kind == "image" and len(shape) == 4 else (pre, shape)


def _closed(sizes: list[int], declared: list[int]) -> list[int]:
    """The model's sizes, with the declared ones where it leaves them open."""
    return declared if len(declared) == len(sizes) else sizes


def _sized(pre: InputSpec, shape: list[int]) -> tuple[InputSpec, list[int]]:
    """Height and width: the declaration's where the model leaves them open, the model's where not declared."""
    row, column = (1, 2) if pre.layout == "nhwc" else (2, 3)
    height, width = shape[row] or pre.height, shape[column] or pre.width
    fixed = list(shape)
    fixed[row], fixed[column] = height, width
    return msgspec.structs.replace(pre, height=pre.height or height, width=pre.width or width), fixed


def _shape_problems(
    project: Project, source: Source, port: Port, pre: InputSpec, shape: list[int]
) -> Iterator[Problem]:
    where = f"{source.path}: input {port.name}"
    told = "×".join(str(size or "?") for size in port.shape[1:])
    if port.shape and port.shape[0] > 1:
        yield Problem(where, "a batch of 1 or an open one", f"a batch of {port.shape[0]}", "export it again")
    if len(port.shape) == len(shape) and any(a and a != b for a, b in zip(port.shape[1:], shape[1:], strict=True)):
        yield Problem(
            f"{project.path}: {source.table}.input_shape", f"the model's own {told}", str(shape[1:]), "correct it"
        )
    if not all(shape):
        axes = ", ".join(str(axis) for axis, size in enumerate(shape) if not size)
        example = [size or 16 for size in shape[1:]]
        step = f"give {source.table}.input_shape, as in {example}, or height and width in [input]"
        yield Problem(where, "a fixed shape", f"{told}, open at axis {axes} (axis 0 is the batch)", step)
    if pre.kind == "tensor":
        return
    where = f"{project.path}: input"
    if len(shape) != 4:
        yield Problem(f"{where}.kind", '"tensor" for this model', f'"image", its input is {told}', "correct the kind")
        return
    sizes = (shape[1], shape[2]) if pre.layout == "nhwc" else (shape[2], shape[3])
    if (pre.height, pre.width) != sizes:
        found = f"{pre.height}×{pre.width}"
        step = "remove height and width, or correct layout"
        yield Problem(where, f"the model's height and width {sizes[0]}×{sizes[1]}", found, step)
    channels, wanted = shape[3 if pre.layout == "nhwc" else 1], 1 if pre.colour == "gray" else 3
    if channels != wanted:
        step = 'colour = "gray" means 1 channel, "rgb" and "bgr" 3; layout = "nchw" puts them first'
        yield Problem(f"{where}.colour", f"a colour with the model's {channels} channels", pre.colour, step)


def _label_problems(project: Project, description: Description) -> Iterator[Problem]:
    table, output = project.file.model, description.outputs[0]
    outputs = len(description.outputs)
    yield from declared.output_problems(
        project.file.output, table.task, table.labels, outputs, f"{project.path}: output"
    )
    if table.task != "classification":
        return
    classes = output.shape[-1] if output.shape else 0
    if table.labels and classes and len(table.labels) != classes:
        where, step = f"{project.path}: model.labels", "give one label a class, in the order of the output"
        yield Problem(where, f"{classes} labels, one a class of output {output.name}", str(len(table.labels)), step)
