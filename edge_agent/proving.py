"""What a worker does first: load every model, on the first runtime that gives its golden answers."""

from __future__ import annotations

from pathlib import Path

from edge_agent.channel import Announced, Start
from edge_agent.deployment import read_slot
from edge_agent.flow.outgoing import Outgoing
from edge_agent.models import Models
from edge_agent.pipeline import checked_model, choose
from edge_agent.runtimes import cache
from edge_agent.runtimes.base import Opening


def prove(start: Start, outgoing: Outgoing) -> Models:
    """Verify the hashes, load every model, check its golden vectors.

    Raises:
        GodwitError: a file was changed, or a model cannot be run with the right answers.
    """
    deployment = read_slot(Path(start.folder))
    deployment.verify()
    manifest, folder = deployment.manifest, Path(start.cache)
    models = [checked_model(model) for model in manifest.models]

    def announce(text: str, progress: float | None) -> None:
        outgoing.send(Announced(text, progress))
        outgoing.flush()

    opening = Opening(manifest.threads, cache=folder, external=start.external, announce=announce)
    pipelines = {model.name: choose(deployment, model, start.skipped, opening).pipeline for model in models}
    cache.keep_only(folder, [manifest.files[model.file].sha256 for model in models])
    return Models(pipelines, manifest.version, start.deadline_s)
