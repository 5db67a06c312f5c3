"""What a worker does first: load every model, on the first runtime that gives its golden answers."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

from edge_agent.channel import Announced, Start
from edge_agent.deployment import read_slot
from edge_agent.flow.outgoing import Outgoing
from edge_agent.models import Models
from edge_agent.pipeline import checked_model, choose
from edge_agent.runtimes import cache
from edge_agent.runtimes.base import Opening
from firmware_profiles import links
from firmware_profiles.errors import BundleError, InputError, Problem, did_you_mean
from firmware_profiles.manifest import Model

DEADLINE_S = 120.0
_BUILD_DEADLINE_S = 1800.0
"""TensorRT builds an engine for ten minutes, on a board that is busy for longer."""


def prove(start: Start, outgoing: Outgoing) -> Models:
    """Verify the hashes, load every model, check its golden vectors; a proof that hangs ends this process.

    Raises:
        GodwitError: a file was changed, a source names a model that is not there, or one cannot give the right
            answers.
    """
    signal.setitimer(signal.ITIMER_REAL, max(DEADLINE_S, start.deadline_s))
    deployment = read_slot(Path(start.folder))
    deployment.verify()
    manifest, folder = deployment.manifest, Path(start.cache)
    by_name = {model.name: model for model in manifest.models}
    if problems := list(links.problems(by_name, manifest.links, "manifest: links")):
        raise BundleError(*problems)
    if problems := list(_unknown_models(start, by_name)):
        raise InputError(*problems)
    models = [checked_model(model) for model in manifest.models]

    def announce(text: str, progress: float | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, DEADLINE_S if progress == 1 else _BUILD_DEADLINE_S)
        outgoing.send(Announced(text, progress))
        outgoing.flush()

    opening = Opening(manifest.threads, cache=folder, external=start.external, announce=announce)
    pipelines = {model.name: choose(deployment, model, start.skipped, opening).pipeline for model in models}
    cache.keep_only(folder, [manifest.files[model.file].sha256 for model in models])
    signal.setitimer(signal.ITIMER_REAL, 0)
    return Models(manifest, pipelines, start.deadline_s)


def _unknown_models(start: Start, known: Mapping[str, Model]) -> Iterator[Problem]:
    for source in start.sources:
        for name in source.models:
            if name not in known:
                where = f"source {source.name}: models"
                yield Problem(where, "a model of the deployment", repr(name), did_you_mean(name, known))
