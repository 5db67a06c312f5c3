"""The states of both ends: these tables are what runs, and what docs/serial.md draws."""

from __future__ import annotations

from collections.abc import Mapping

HOST: Mapping[tuple[str, str], str] = {
    ("knocking", "Ready"): "listing",
    ("listing", "all acknowledged"): "filling",
    ("filling", "all acknowledged"): "finishing",
    ("listing", "Gone"): "listing",
    ("filling", "Gone"): "listing",
    ("finishing", "Gone"): "listing",
    ("listing", "Ended"): "ended",
    ("filling", "Ended"): "ended",
    ("finishing", "Ended"): "ended",
}
"""(State, what happens) → next state; anything else changes nothing."""

DEVICE: Mapping[tuple[str, str], str] = {
    ("idle", "Offer of contents"): "listing",
    ("idle", "Offer of files"): "filling",
    ("idle", "refused"): "ended",
    ("listing", "Offer of contents"): "listing",
    ("listing", "Offer of files"): "filling",
    ("listing", "refused"): "ended",
    ("listing", "a hash differs"): "idle",
    ("listing", "unknown files"): "idle",
    ("filling", "Offer of contents"): "listing",
    ("filling", "Offer of files"): "filling",
    ("filling", "refused"): "ended",
    ("filling", "unknown files"): "idle",
    ("filling", "Finish"): "finishing",
    ("finishing", "installed or not"): "ended",
    ("finishing", "a hash differs"): "idle",
    ("finishing", "refused"): "ended",
    ("ended", "Offer of contents"): "listing",
    ("ended", "Offer of files"): "filling",
    ("ended", "refused"): "ended",
    ("ended", "unknown files"): "idle",
    ("ended", "Bye"): "idle",
    ("listing", "silence"): "idle",
    ("filling", "silence"): "idle",
    ("ended", "silence"): "idle",
}
"""As `HOST`."""
