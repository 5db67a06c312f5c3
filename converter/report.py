"""`report.json`: everything that one conversion found out. The schema is these structs."""

from __future__ import annotations

from datetime import datetime

import msgspec

from converter.candidate import Candidate, Cost
from converter.choose import Verdict
from converter.refine import Sensitivity
from firmware_profiles.evaluation import Machine
from firmware_profiles.manifest import RuntimeClaim
from firmware_profiles.words import DelegateName, RuntimeName


class LeftOut(msgspec.Struct, frozen=True):
    """A runtime of the profile that the bundle does not claim, and why."""

    runtime: RuntimeName
    delegate: DelegateName
    reason: str


class ProfileReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one profile got.

    Attributes:
        measured_on: the machine that is such a device, whose measured figures decided; empty where the
            profile's rules did, and latencies are not the device's.
        chosen: key of the candidate in the bundle; None where nothing met the goal.
        verdicts: on every candidate, the chosen one first.
        cost: of the chosen candidate, on the first of the profile's runtimes that it was measured on, else
            on any; it says on which machine.
        caution: what the items on which it was judged cannot show; empty where they can.
        bundle: path of the bundle; empty where there is none.
        transfer_bytes: of the bundle as it travels, compressed by Zstandard at level 19.
        claims: runtimes on which the model gave its golden answers: on the device if it was measured on one,
            else here.
        left_out: runtimes of the profile that could not be proved there.
        problem: why there is no bundle; empty where there is one.
    """

    profile: str
    title: str
    measured_on: str
    chosen: str | None
    verdicts: list[Verdict]
    cost: Cost | None = None
    caution: str = ""
    bundle: str = ""
    bundle_sha256: str = ""
    bundle_bytes: int = 0
    transfer_bytes: int = 0
    claims: list[RuntimeClaim] = []
    left_out: list[LeftOut] = []
    problem: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `godwit convert`.

    Attributes:
        source: as the project names it.
        others: sources that competed with it: name → source, as the project names it.
        yardstick: what `drop_points` of the candidates means.
        labelled: whether the evaluation data has labels.
        metric: its name; none without labels.
        items: how many were evaluated.
        split: whether one half of them chose and the other confirmed; false where there were too few.
        front: keys of those on the Pareto front of accuracy, latency and size; who has no latency is not on it.
        warnings: what looked wrong about the data.
        reference: key of the candidate whose answers are called float: the model as it came.
        sensitivity: what was learned about recipes that lost too much, where precision was given back.
        could_gain: by recipes that train and were not tried, and what they lack; empty where there are none.
        machines: what measured, by the names that `measured_on` uses; accuracy is always of "this machine".
        tools: versions of the packages that took part.
    """

    format: int = 1
    name: str
    version: str
    source: str
    others: dict[str, str]
    task: str
    made_at: datetime
    seconds: float
    goal_max_drop_points: float
    goal_optimise: str
    yardstick: str
    labelled: bool
    metric: str
    items: int
    split: bool
    warnings: list[str]
    reference: str
    candidates: list[Candidate]
    front: list[str]
    profiles: list[ProfileReport]
    sensitivity: list[Sensitivity] = []
    could_gain: str = ""
    machines: dict[str, Machine]
    tools: dict[str, str]

    def candidate(self, key: str) -> Candidate:
        """The candidate with that key."""
        return next(each for each in self.candidates if each.key == key)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """`NAME-VERSION-PROFILE.evidence.json`: what varies from run to run, beside the bundle.

    Attributes:
        machines: what measured, by the names that `measured_on` of the candidate's costs uses.
    """

    format: int = 1
    bundle_sha256: str
    profile: str
    made_at: datetime
    measured_on_device: bool
    candidate: Candidate
    machines: dict[str, Machine]
    tools: dict[str, str]


def encode(document: Report | Evidence) -> bytes:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"
