"""The bundle of each profile, with its evidence beside it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from converter import app_metadata, choose, compare, layers, pack, report, tools, transfer
from converter.build import Built, Workshop
from converter.candidate import HERE
from converter.choose import Verdict
from converter.judge import Judge
from converter.proof import Proven, Prover
from converter.report import Evidence, LeftOut, ProfileReport
from firmware_profiles import atomic
from firmware_profiles.bundle import Bundle
from firmware_profiles.profile import Profile


class Delivery(NamedTuple):
    """What the bundles of one conversion have in common.

    Attributes:
        out: where they go; made when the first is written.
        judge: of the candidates.
    """

    out: Path
    judge: Judge
    made_at: datetime


def deliver(
    shop: Workshop,
    prover: Prover,
    delivery: Delivery,
    profile: Profile,
    built: Sequence[Built],
    verdicts: list[Verdict],
    measured_on: str,
) -> ProfileReport:
    """Prove the chosen candidate on the profile's runtimes and write its bundle, or say why there is none."""
    if not verdicts or not verdicts[0].chosen:
        return _without(profile, verdicts, measured_on, "no candidate meets the goal and the profile's limits")
    winner = next(each for each in built if each.candidate.key == verdicts[0].key)
    assert winner.candidate.told is not None
    places = choose.places(profile, winner.candidate)
    proven = [prover.prove(winner, row, shop.agent_for(row, measured_on)) for row in places]
    left_out = [LeftOut(each.row.runtime, each.row.delegate, each.reason) for each in proven if not each.claim]
    left_out += [LeftOut(*row, reason) for row, reason in choose.refusals(profile, winner.candidate).items()]
    if not any(each.claim for each in proven):
        reasons = "; ".join(f"{each.row}: {each.reason}" for each in proven)
        return _without(
            profile, verdicts, measured_on, f"none of its runtimes could be proved on {measured_on or HERE} ({reasons})"
        )
    path = _write(shop, prover, delivery, profile, winner, proven)
    if profile.os.agent == "none":  # its model's file is another one than was proved
        for each in proven:
            if each.claim:
                shop.agent_for(each.row, measured_on).selftest(path, each.row)
    with Bundle(path) as bundle:
        sha256 = bundle.sha256
    _write_evidence(shop, path, delivery, profile, winner, sha256, measured_on)
    return ProfileReport(
        profile=profile.name,
        title=profile.title,
        measured_on=measured_on,
        chosen=winner.candidate.key,
        verdicts=verdicts,
        cost=winner.candidate.cost_on(places, measured_on or HERE) or next(iter(winner.candidate.costs), None),
        caution=compare.caution(winner.candidate.told, shop.project.file.goal.max_drop_points),
        bundle=str(path),
        bundle_sha256=sha256,
        bundle_bytes=path.stat().st_size,
        transfer_bytes=transfer.size_bytes(path.read_bytes()),
        claims=[each.claim for each in proven if each.claim],
        left_out=left_out,
    )


def _write(
    shop: Workshop, prover: Prover, delivery: Delivery, profile: Profile, winner: Built, proven: Sequence[Proven]
) -> Path:
    assert winner.draft is not None
    claims = [each.claim for each in proven if each.claim]
    entry = pack.entry(winner.draft.base, winner.candidate, winner.draft.model, claims, pack.GOLDEN)
    content = winner.draft.model.file.read_bytes()
    if profile.os.agent == "none" and winner.candidate.format == "tflite":
        content = app_metadata.added(content, entry, shop.project.file.model.version)
    members = {
        entry.file: content,
        pack.GOLDEN: prover.vectors(winner).content,
        layers.MEMBER: layers.content(winner.candidate),
        pack.CARD: pack.card(shop.project, profile, winner.candidate, delivery.judge),
    }
    delivery.out.mkdir(parents=True, exist_ok=True)
    path = delivery.out / pack.file_name(shop.project, profile)
    pack.write(path, shop.project, profile, entry, members)
    return path


def _write_evidence(
    shop: Workshop, path: Path, delivery: Delivery, profile: Profile, winner: Built, sha256: str, measured_on: str
) -> None:
    evidence = Evidence(
        bundle_sha256=sha256,
        profile=profile.name,
        made_at=delivery.made_at,
        measured_on_device=bool(measured_on),
        candidate=winner.candidate,
        machines=shop.machines(),
        tools=tools.versions(),
    )
    atomic.write_bytes(path.with_suffix(".evidence.json"), report.encode(evidence))


def _without(profile: Profile, verdicts: list[Verdict], measured_on: str, problem: str) -> ProfileReport:
    return ProfileReport(
        profile=profile.name,
        title=profile.title,
        measured_on=measured_on,
        chosen=None,
        verdicts=verdicts,
        problem=problem,
    )
