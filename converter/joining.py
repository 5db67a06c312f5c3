"""`godwit join`: several bundles for one device become one deployment, whose models switch together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

import msgspec

from firmware_profiles import bundle
from firmware_profiles.bundle import Bundle
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.links import problems as link_problems
from firmware_profiles.manifest import MANIFEST_NAME, Limits, Link, Manifest, Model


def join(paths: Sequence[Path], name: str, version: str, links: Sequence[Link], out: Path) -> Path:
    """Write the deployment of all models in the bundles at `paths` into the folder `out`.

    Every model keeps the proof of its own bundle. Several models of one device need the time and the
    memory of all of them: limits are those of the largest, since they are the profile's.

    Raises:
        BundleError: a bundle is damaged.
        InputError: everything about the bundles and links that does not fit together.
    """
    with ExitStack() as stack:
        parts = [stack.enter_context(Bundle(path)) for path in paths]
        manifests = [part.manifest for part in parts]
        known = {model.name: model for manifest in manifests for model in manifest.models}
        if problems := [*_bundle_problems(paths, manifests), *link_problems(known, links, "--link")]:
            raise InputError(*problems)
        models: list[Model] = []
        members: dict[str, bytes] = {}
        for part in parts:
            moved = {member: _moved(member, part.manifest) for member in part.manifest.files}
            members |= {moved[member]: part.read(member) for member in moved}
            models += [_with_moved(model, moved) for model in part.manifest.models]
    first = parts[0].manifest
    whole = msgspec.structs.replace(
        first,
        name=name,
        version=version,
        models=models,
        files={},
        links=list(links),
        limits=Limits(
            max(part.manifest.limits.p95_ms for part in parts),
            max(part.manifest.limits.peak_rss_mb for part in parts),
        ),
        threads=max(part.manifest.threads for part in parts),
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / bundle.file_name(whole)
    bundle.write(path, whole, members)
    return path


def parse_link(text: str) -> Link:
    """PRODUCER:CONSUMER[:crops|output]; crops by default.

    Raises:
        InputError: it is something else.
    """
    producer, _, rest = text.partition(":")
    consumer, _, what = rest.partition(":")
    if not producer or not consumer or what not in ("", "crops", "output"):
        expected = "PRODUCER:CONSUMER, with :crops or :output after it"
        raise InputError(Problem("--link", expected, repr(text), "as in --link detector:classifier"))
    return Link(producer, consumer, "output" if what == "output" else "crops")


def _bundle_problems(paths: Sequence[Path], manifests: Sequence[Manifest]) -> Iterator[Problem]:
    first = manifests[0]
    for path, each in zip(paths, manifests, strict=True):
        if each.profiles != first.profiles:
            found = f"one for {each.profiles[0]}"
            yield Problem(str(path), f"a bundle for {first.profiles[0]}", found, "convert all for one target")
    for what, names in (
        ("bundles", [each.name for each in manifests]),
        ("models", [model.name for each in manifests for model in each.models]),
    ):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield Problem(what, "each name once", f"{name!r} twice", "give one another [model] name")


def _moved(member: str, of: Manifest) -> str:
    """Where a member lies in the whole: below the name of its bundle, so that no two meet."""
    assert member != MANIFEST_NAME
    return str(PurePosixPath(of.name) / member)


def _with_moved(model: Model, moved: dict[str, str]) -> Model:
    golden = moved[model.golden] if model.golden else ""
    return msgspec.structs.replace(model, file=moved[model.file], golden=golden)
