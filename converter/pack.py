"""A candidate packed as a bundle: the draft that is measured, and the bundle that is shipped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from converter.candidate import Candidate, Model
from converter.compare import Comparison
from converter.judge import Judge
from converter.project import Project
from firmware_profiles import VERSION, bundle, manifest
from firmware_profiles.manifest import InputSpec, Limits, Manifest, RuntimeClaim, Tensor
from firmware_profiles.profile import Profile

GOLDEN = "golden.npz"
CARD = "readme.md"
THREADS = 1
"""One: small models lose more by waking a second core than they gain, and latencies stay comparable."""


def model_entry(
    project: Project, pre: InputSpec, inputs: Sequence[Tensor], outputs: Sequence[Tensor]
) -> manifest.Model:
    """The manifest's entry for the model before any recipe; enough to check data against it."""
    table = project.file.model
    classes = outputs[0].shape[-1] if outputs[0].shape else 0
    labels = table.labels or [str(index) for index in range(classes)]
    return manifest.Model(
        name=table.name,
        task=table.task,
        file="",
        format="null",
        precision="float32",
        recipe="",
        inputs=list(inputs),
        outputs=list(outputs),
        pre=pre,
        post=project.file.output,
        runtimes=[],
        labels=labels if table.task == "classification" else table.labels,
    )


def entry(
    base: manifest.Model, candidate: Candidate, model: Model, claims: Sequence[RuntimeClaim], golden: str
) -> manifest.Model:
    """The manifest's entry for a candidate."""
    return msgspec.structs.replace(
        base,
        file=f"models/{base.name}.{candidate.format}",
        format=candidate.format,
        precision=candidate.precision,
        recipe=candidate.recipe,
        inputs=model.inputs,
        outputs=model.outputs,
        runtimes=list(claims),
        golden=golden,
        multiply_adds=candidate.multiply_adds,
    )


def write(path: Path, project: Project, profile: Profile, model: manifest.Model, members: dict[str, bytes]) -> None:
    """Write the bundle of one model for one profile."""
    limits = Limits(profile.limits.p95_ms, profile.limits.peak_rss_mb)
    whole = Manifest(
        name=project.file.model.name,
        version=project.file.model.version,
        godwit=VERSION,
        profiles=[profile.name],
        arch=profile.hardware.arch,
        device_tree_model=profile.hardware.device_tree_model,
        sensors=profile.sensors,
        models=[model],
        limits=limits,
        threads=THREADS,
    )
    bundle.write(path, whole, members)


def file_name(project: Project, profile: Profile) -> str:
    """Name of the profile's bundle, as `bundle.file_name` builds it from a manifest."""
    table = project.file.model
    return f"{table.name}-{table.version}-{profile.name}{bundle.SUFFIX}"


def card(project: Project, profile: Profile, candidate: Candidate, judge: Judge) -> bytes:
    """The model card: only what is the same on every run, so that the bundle's bytes are."""
    table = project.file.model
    told = candidate.told
    assert told is not None
    score = "" if told.score is None else f"- Score: {judge.metric.title} {judge.metric.shown(told.score)}\n"
    agreement = told.agreement_percent
    agrees = "" if agreement is None else f"- Same class as float: {agreement:.2f} %\n"
    basis = "that took no part in the choice" if candidate.confirmed_on else "that the choice was made on"
    text = (
        f"# {table.name} {table.version}\n\n"
        f"- Task: {table.task}\n"
        f"- Made for: {profile.title} ({profile.name})\n"
        f"- Source: {_source(project, candidate)}\n"
        f"- Recipe: {candidate.recipe} ({candidate.title})\n"
        f"- Size: {candidate.size_bytes:,} bytes; {candidate.multiply_adds:,} multiply-adds an inference\n"
        f"{score}{agrees}"
        f"- Drop: {told.drop_points:.2f}{_interval(told)} ({judge.yardstick()})\n"
        f"- Measured on: {told.items} items {basis}\n"
        f"- Golden inputs: {project.file.golden.inputs}\n\n"
        f"Made by Godwit {VERSION}. Check it with `godwit verify`.\n"
        "Latencies lie in the evidence file beside the bundle.\n"
    )
    return text.encode()


def _source(project: Project, candidate: Candidate) -> str:
    given = next(each.source for each in project.file.model.sources if each.name == candidate.model)
    return f"{candidate.model} ({given})" if candidate.model else given


def _interval(told: Comparison) -> str:
    if told.drop_low_points is None:
        return ""
    return f", 95 % interval {told.drop_low_points:.2f} to {told.drop_high_points:.2f}"
