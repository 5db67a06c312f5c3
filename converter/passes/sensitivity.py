"""How much each layer loses, by what it hurts to thin it alone."""

from __future__ import annotations

from collections.abc import Mapping

_MOST = 0.9


def ratios(hurt: Mapping[str, float], percent: float) -> dict[str, float]:
    """Of each, 0 to 0.9: those that hurt least lose half as much again as `percent`, those that hurt most half of it.

    Args:
        hurt: the loss with each of them thinned alone.
    """
    ranked = sorted(hurt, key=lambda name: hurt[name])
    shares = {name: 1.5 - rank / max(1, len(ranked) - 1) for rank, name in enumerate(ranked)}
    return {name: min(percent / 100 * share, _MOST) for name, share in shares.items()}
