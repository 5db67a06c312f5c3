"""One model ready to answer: preprocess → runtime → postprocess."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edge_agent import golden
from edge_agent.deployment import Deployment
from edge_agent.flow.postprocess import Postprocessor
from edge_agent.flow.preprocess import Preprocessor
from edge_agent.runtimes import cache
from edge_agent.runtimes.base import Array, Opening, Runtime, open_runtime, unavailable
from firmware_profiles.errors import BundleError, GodwitError, Problem, RefusedError, UnavailableError
from firmware_profiles.manifest import Model, RuntimeClaim
from firmware_profiles.results import Result
from firmware_profiles.wire import RuntimeInUse, SkippedRuntime


class Pipeline:
    """A model with its pre- and post-processing.

    Attributes:
        load_ms: from the file to a runtime that is ready.
        nodes: what the delegate took.
    """

    def __init__(self, model: Model, runtime: Runtime, in_use: RuntimeInUse, load_ms: float) -> None:
        self.model = model
        self.in_use = in_use
        self.load_ms = load_ms
        self.nodes = runtime.nodes
        # An anomaly's score needs the input in real numbers.
        quantize = None if model.task == "anomaly" else runtime.quantize
        self.preprocess = Preprocessor(model.pre, model.inputs[0], quantize)
        self.postprocess = Postprocessor(model)
        self.run = runtime.run
        self.primed = runtime.primed

    def outputs(self, raw: Array) -> list[Array]:
        """The model's raw outputs [1, …] for one raw input."""
        return self.run([self.preprocess(raw)])

    def predict(self, raw: Array) -> Result:
        """The answer to one raw input.

        Raises:
            InputError: the input cannot be what the model takes.
        """
        return self.answer(raw)[0]

    def answer(self, raw: Array) -> tuple[Result, list[Array]]:
        """The answer to one raw input, and the outputs [1, …] that it was made of.

        Raises:
            InputError: the input cannot be what the model takes.
        """
        tensor = self.preprocess(raw)
        outputs = self.run([tensor])
        return self.postprocess(outputs, tensor, raw.shape), outputs


def open_pipeline(
    deployment: Deployment, model: Model, claim: RuntimeClaim, opening: Opening, skipped: Sequence[SkippedRuntime] = ()
) -> Pipeline:
    """Load `model` on the runtime that `claim` names; the cache of `opening` is that of all models.

    Raises:
        UnavailableError: the runtime or its delegate is not here, or cannot load the model.
    """
    started = time.perf_counter()
    kept = _kept(deployment, model, opening.cache) if opening.cache else None
    opening = opening._replace(precision=model.precision, cache=kept)
    runtime = open_runtime(claim.runtime, claim.delegate, deployment.model_file(model), opening)
    load_ms = (time.perf_counter() - started) * 1e3
    if _older(runtime.version, claim.min_version):
        found = f"version {runtime.version}"
        where = f"runtime {claim.runtime}/{claim.delegate}"
        raise UnavailableError(Problem(where, f"version {claim.min_version} or newer", found, "update the agent"))
    nodes = runtime.nodes
    in_use = RuntimeInUse(
        claim.runtime, claim.delegate, runtime.version, nodes.delegated, nodes.total, skipped=list(skipped)
    )
    return Pipeline(model, runtime, in_use, load_ms)


class Choice(NamedTuple):
    """The runtime that was chosen for a model, proved on its golden vectors."""

    pipeline: Pipeline
    golden_max_difference: float


def choose(
    deployment: Deployment, model: Model, skipped: Sequence[SkippedRuntime] = (), opening: Opening | None = None
) -> Choice:
    """The first claimed runtime that is here and gives the golden answers; before them the device's own delegate.

    Args:
        skipped: what may not be used any more, and why.
        opening: how; by default on the manifest's threads, and nothing is kept.

    Raises:
        RefusedError: a runtime ran the model with other answers, and none gave the right ones.
        UnavailableError: no claimed runtime could load it.
        BundleError: the golden vectors cannot be read.
    """
    opening = opening or Opening(deployment.manifest.threads)
    passed_over = list(skipped)
    errors: list[GodwitError] = []
    for claim in _listed(model, opening):
        if any((claim.runtime, claim.delegate) == (skip.runtime, skip.delegate) for skip in skipped):
            continue
        try:
            return proved(deployment, model, claim, opening, passed_over)
        except (UnavailableError, RefusedError) as error:
            errors.append(error)
            reason = "; ".join(f"{problem.expected}: {problem.found}" for problem in error.problems)
            passed_over.append(SkippedRuntime(claim.runtime, claim.delegate, reason))
    raise _none_left(model, errors)


def _listed(model: Model, opening: Opening) -> list[RuntimeClaim]:
    """The claimed runtimes; before them the device's own delegate, which no converter could prove: the vectors do."""
    if opening.external is None or any(claim.delegate == "external" for claim in model.runtimes):
        return model.runtimes
    hosts = [claim for claim in model.runtimes if claim.runtime in ("litert", "tflite")]
    return [*(msgspec.structs.replace(claim, delegate="external") for claim in hosts[:1]), *model.runtimes]


def proved(
    deployment: Deployment, model: Model, claim: RuntimeClaim, opening: Opening, skipped: Sequence[SkippedRuntime] = ()
) -> Choice:
    """`model` on the runtime that `claim` names, with its golden answers.

    Raises:
        RefusedError: it gives other answers there.
        UnavailableError: it cannot be loaded or run there.
        BundleError: the golden vectors cannot be read.
    """
    pipeline = open_pipeline(deployment, model, claim, opening, skipped)
    try:
        return Choice(pipeline, golden.check(pipeline, deployment, claim.tolerance))
    except RefusedError:
        if opening.cache is None or not cache.forget(_kept(deployment, model, opening.cache)):
            raise
    except (RuntimeError, ValueError) as error:  # of an interpreter: it loaded the model and cannot run it
        raise unavailable(claim.runtime, claim.delegate, error, "list another runtime") from None
    # What was kept of the model may be damaged, and is forgotten now: the model itself has its chance.
    return proved(deployment, model, claim, opening._replace(cache=None), skipped)


def _kept(deployment: Deployment, model: Model, folder: Path) -> Path:
    return cache.of_model(folder, deployment.manifest.files[model.file].sha256)


def _none_left(model: Model, errors: Sequence[GodwitError]) -> GodwitError:
    problems = [problem for error in errors for problem in error.problems]
    if not problems:
        problems = [Problem(f"model {model.name}", "a runtime that it claims", "none", "convert it for this device")]
    refused = any(isinstance(error, RefusedError) for error in errors)
    return RefusedError(*problems) if refused else UnavailableError(*problems)


def model_of(deployment: Deployment) -> Model:
    """The first model: what commands that know one model work on.

    Raises:
        BundleError: as of `checked_model`.
    """
    return checked_model(deployment.manifest.models[0])


def checked_model(model: Model) -> Model:
    """`model`, if an input can be given to it.

    Raises:
        BundleError: the model takes more than one input tensor, which no source gives yet.
    """
    if len(model.inputs) != 1:
        found = f"{len(model.inputs)} inputs"
        raise BundleError(Problem(f"model {model.name}", "one input tensor", found, "export it with one input"))
    return model


def _older(version: str, than: str) -> bool:
    return _numbers(version) < _numbers(than)


def _numbers(version: str) -> list[int]:
    release = version.partition("+")[0].partition("-")[0]
    return [int(part) for part in release.split(".") if part.isdigit()]
