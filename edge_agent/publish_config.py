"""Settings of what becomes a message: the rows `[[publish]]` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.words import Finite, Name, Positive


class Publish(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """When a model's answers are sent; a row of `[[publish]]`.

    Attributes:
        model: whose; empty for every model without a row of its own.
        when: "every": each. "change": the best class, or a value, is another one than last time. "above",
            "below": the best score, or the first value, is at least, or at most, `threshold`.
            "interval": one in `interval_s`, with the counts of all since the one before.
        threshold: what "above" and "below" compare with.
        interval_s: how long an "interval" is.
        by: how far a value must move to be a change.
    """

    when: Literal["every", "change", "above", "below", "interval"]
    model: Name | Literal[""] = ""
    threshold: Finite = 0.5
    interval_s: Positive = 10.0
    by: Annotated[float, Meta(ge=0, le=1e12)] = 0.0
