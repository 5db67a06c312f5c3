"""The short form of `make soak`, and that the storm would notice a spool that is broken."""

from __future__ import annotations

from pathlib import Path

from tests.soak.storm import AGENT, storm

SABOTAGED = (str(AGENT.with_name("python")), str(Path(__file__).with_name("sabotage.py")))


def test_twelve_cycles_lose_nothing_and_keep_the_order() -> None:
    outcome = storm(12, 2, print)
    assert outcome.verdict._replace(duplicates=0) == (0, 0, 0, 0, 0)
    assert len(outcome.faults) >= 8
    before_mb, after_mb = outcome.rss_mb
    assert after_mb < before_mb + 2


def test_a_spool_that_deletes_what_it_offers_is_noticed() -> None:
    # Where a fault hits nothing that is under way, nothing is lost: each storm has another chance.
    assert any(storm(4, seed, print, SABOTAGED).verdict.lost > 0 for seed in range(2, 8))
