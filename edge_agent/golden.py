"""The golden vectors: proof, on this machine, that the model still computes what was promised."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from edge_agent.deployment import Deployment
from edge_agent.runtimes.base import Array
from firmware_profiles.errors import BundleError, Problem, RefusedError
from firmware_profiles.manifest import Model

if TYPE_CHECKING:
    from edge_agent.pipeline import Pipeline

MIN_INPUTS = 16


class Vectors(NamedTuple):
    """Raw inputs [n, …] and, per output tensor, the expected outputs [n, …]."""

    inputs: Array
    outputs: list[Array]


def load(deployment: Deployment, model: Model) -> Vectors:
    """The golden vectors of `model`.

    Raises:
        BundleError: the member is not what it must be.
    """
    where = f"golden vectors of model {model.name}"
    if not model.golden:
        raise BundleError(
            Problem(where, f"at least {MIN_INPUTS} inputs", "none in the bundle", "convert the model again")
        )
    try:
        with np.load(io.BytesIO((deployment.folder / model.golden).read_bytes()), allow_pickle=False) as arrays:
            vectors = Vectors(arrays["x"], [arrays[f"y{i}"] for i in range(len(model.outputs))])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(Problem(where, "arrays x, y0, …", str(error), "convert the model again")) from None
    count = len(vectors.inputs)
    if count < MIN_INPUTS or any(len(expected) != count for expected in vectors.outputs):
        found = f"{count} inputs and outputs of {[len(expected) for expected in vectors.outputs]}"
        raise BundleError(Problem(where, f"at least {MIN_INPUTS} of each", found, "convert the model again"))
    return vectors


def check(pipeline: Pipeline, deployment: Deployment, tolerance: float) -> float:
    """Run the golden inputs and compare.

    Every output must be within `tolerance` of the expected one, in the output's own unit. That makes
    the best class the same too wherever the expected best two are more than twice the tolerance
    apart, and the converter picks such inputs.

    Returns:
        The largest absolute difference seen.

    Raises:
        RefusedError: an output differs.
        BundleError: the bundle has no golden vectors, or they cannot be read.
    """
    model = pipeline.model
    vectors = load(deployment, model)
    largest = 0.0
    for index, raw in enumerate(vectors.inputs):
        outputs = pipeline.outputs(raw)
        for output, expected in zip(outputs, (every[index] for every in vectors.outputs), strict=True):
            difference = _difference(output, expected)
            if not difference <= tolerance:  # NaN must fail too
                raise _refused(pipeline, f"outputs within {tolerance:g}", f"golden input {index} off by {difference:g}")
            largest = max(largest, difference)
    return largest


def _difference(output: Array, expected: Array) -> float:
    if output.size != expected.size:
        return float("inf")
    if not expected.size:
        return 0.0
    return float(np.abs(output.astype(np.float64).ravel() - expected.astype(np.float64).ravel()).max())


def _refused(pipeline: Pipeline, expected: str, found: str) -> RefusedError:
    where = f"model {pipeline.model.name} on {pipeline.in_use.runtime}/{pipeline.in_use.delegate}"
    return RefusedError(Problem(where, expected, found, "it is not run; convert or install it again"))
