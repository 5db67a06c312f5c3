"""`godwit inspect` and `godwit verify`."""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from converter.cache import Cache
from converter.evaluate import Agent
from converter.hosts import Here
from converter.processes import Processes
from firmware_profiles.bundle import Bundle
from firmware_profiles.manifest import Manifest, Model


class Inspection(msgspec.Struct, frozen=True):
    """What `inspect --json` prints."""

    bundle_sha256: str
    size_bytes: int
    manifest: Manifest


def inspect(path: Path) -> Inspection:
    """Raises BundleError: it is missing, damaged, or not a bundle."""
    with Bundle(path) as bundle:
        return Inspection(bundle.sha256, path.stat().st_size, bundle.manifest)


def as_json(path: Path) -> str:
    """The inspection as one JSON document."""
    return msgspec.json.format(msgspec.json.encode(inspect(path)), indent=2).decode() + "\n"


def as_text(path: Path) -> str:
    """The inspection for a person."""
    found = inspect(path)
    manifest = found.manifest
    lines = [
        f"bundle    {path.name}, {found.size_bytes:,} bytes",
        f"sha256    {found.bundle_sha256}",
        f"holds     {manifest.name} {manifest.version}, made by Godwit {manifest.godwit}",
        f"for       {', '.join(manifest.profiles)} ({manifest.arch})",
        f"limits    p95 {manifest.limits.p95_ms:g} ms, memory {manifest.limits.peak_rss_mb:g} MB",
    ]
    for model in manifest.models:
        lines += ["", *_model_lines(model)]
    lines += ["", *(f"{entry.size_bytes:>12,}  {name}" for name, entry in sorted(manifest.files.items()))]
    return "\n".join(lines) + "\n"


def verify(path: Path) -> str:
    """Check the file, then the model against its golden vectors on the first claimed runtime that is here.

    Raises:
        BundleError: the file is damaged.
        RefusedError: the model's answers differ.
        UnavailableError: no claimed runtime is here.
    """
    sha256 = inspect(path).bundle_sha256
    with tempfile.TemporaryDirectory(prefix="godwit-verify-") as folder, Processes(Path(folder)) as processes:
        result = Agent(Here(processes), Cache(None)).selftest(path)
    where = f"{result.runtime.runtime}/{result.runtime.delegate} {result.runtime.version}"
    return (
        f"{path}: whole and unchanged (sha256 {sha256});\n"
        f"golden answers on {where} within {result.golden_max_difference:.3g}"
    )


def _model_lines(model: Model) -> list[str]:
    lines = [
        f"model     {model.name}: {model.task}, {model.recipe}, {model.multiply_adds:,} multiply-adds",
        *(f"input     {tensor.name} {tensor.dtype} {tensor.shape}" for tensor in model.inputs),
        *(f"output    {tensor.name} {tensor.dtype} {tensor.shape}" for tensor in model.outputs),
    ]
    if model.labels:
        more = f" … ({len(model.labels)})" if len(model.labels) > 10 else ""
        lines.append(f"labels    {', '.join(model.labels[:10])}{more}")
    for claim in model.runtimes:
        runtime = f"{claim.runtime}/{claim.delegate}"
        lines.append(f"runs on   {runtime} {claim.min_version} or newer, golden answers within {claim.tolerance:.3g}")
    return lines
