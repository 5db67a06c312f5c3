"""`[update]` of the device's configuration: where updates come from, and what a new version must do to stay."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.targets import DEFAULT_GROUP
from firmware_profiles.words import Name

Minutes = Annotated[float, Meta(ge=0, le=10_080)]


class Update(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Signed updates, as `edge-agent update` brings them.

    Attributes:
        url: of the repository, `https://…` or `http://…`; "" for kits only.
        ca: file of the authority that signed the repository's certificate; "" for those that the system trusts.
        group: only what was added to the repository for this group is taken.
        profile: only what was made for this profile is; "" for that of the active deployment.
        interval_s: from one look into the repository to the next; each device adds up to a tenth of its own.
        prove_minutes, prove_predictions: a new version stays when it has run so long and answered so many inputs
            well. A device that may have no input for hours wants `prove_predictions = 0`.
        prove_within_minutes: one that has not done so by then is rolled back.
        max_distance: one whose answers are distributed farther than this from those of the version before it is
            rolled back: from 0 (alike) to 1 (nothing in common), as `distribution_distance` in `run/health.json`.
    """

    url: str = ""
    ca: str = ""
    group: Name = DEFAULT_GROUP
    profile: Name | Literal[""] = ""
    interval_s: Annotated[float, Meta(ge=1, le=31_536_000)] = 3600.0
    prove_minutes: Minutes = 5.0
    prove_predictions: Annotated[int, Meta(ge=0, le=1_000_000)] = 20
    prove_within_minutes: Minutes = 60.0
    max_distance: Annotated[float, Meta(ge=0, le=1)] = 0.5
