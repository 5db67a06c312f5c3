"""The table and its journal, and the verdict on what an agent says about itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent import clock
from edge_agent.layout import Root
from edge_agent.ota import journal
from edge_agent.ota.journal import DamagedError
from edge_agent.ota.kinds import Expected
from edge_agent.ota.proof import Probation, judge
from edge_agent.ota.states import TABLE, at
from edge_agent.update_config import Update
from firmware_profiles.health import Health
from firmware_profiles.manifest import Limits

MINUTE_MS = 60_000


@given(st.binary(max_size=300) | st.from_regex(rb'\{"state":"(idle|proving)"(,"plan":null)?\}', fullmatch=True))
def test_a_journal_is_read_or_set_aside(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = Root(tmp_path_factory.mktemp("journal"))
    root.make()
    root.journal.write_bytes(content)
    try:
        found = journal.load(root)
    except DamagedError:
        found = journal.load(root)
        assert root.journal.with_suffix(".damaged").read_bytes() == content
    assert found.state == "idle"


def test_what_newer_code_wrote_is_gone_on_with_by_older_code(tmp_path: Path) -> None:
    root = Root(tmp_path)
    root.make()
    plan = b'{"kind": "agent", "deployment": "agent", "version": "2", "slot": "b", "previous": "a", "why": "later"}'
    root.journal.write_bytes(b'{"state": "proving", "plan": ' + plan + b', "mood": "good"}')
    found = journal.load(root)
    assert found.plan is not None
    assert (found.state, found.plan.slot) == ("proving", "b")


def test_every_state_has_one_action_whatever_led_to_it() -> None:
    for row in TABLE:
        assert at(row.next_state) == (row.action, row.on_restart)
    assert len({(row.state, row.event) for row in TABLE}) == len(TABLE)


SAID = Health(
    manifest_sha256="new",
    deployment="tiny",
    version="2",
    state="running",
    reason="",
    since_uptime_ms=0,
    boot=clock.boot_id(),
    predictions=20,
    worker_deaths=0,
    p95_ms=5.0,
    peak_rss_mb=50.0,
)


@pytest.mark.parametrize(
    ("changes", "minutes", "event"),
    [
        ({}, 5, "proved"),
        ({}, 4, None),
        ({"predictions": 19}, 5, None),
        ({"predictions": 19}, 61, "unhealthy"),
        ({"worker_deaths": 1}, 5, "unhealthy"),
        ({"p95_ms": 11.0}, 1, "unhealthy"),
        ({"p95_ms": 11.0, "predictions": 19}, 1, None),
        ({"peak_rss_mb": 101.0}, 1, "unhealthy"),
        ({"distribution_distance": 0.6}, 1, "unhealthy"),
        ({"distribution_distance": 0.4}, 5, "proved"),
        ({"state": "refused", "reason": "golden input 3"}, 0, "unhealthy"),
        ({"state": "starting"}, 30, None),
        ({"manifest_sha256": "old"}, 30, None),
        ({"manifest_sha256": "old"}, 41, "unhealthy"),
        ({"boot": "another"}, 5, None),
    ],
)
def test_a_verdict(changes: dict[str, Any], minutes: int, event: str | None) -> None:
    expected = Expected(lambda said: said.manifest_sha256 == "new", Limits(10, 100), lambda: "")
    verdict = judge(
        Probation(expected, Update(), clock.boot_id(), 0), msgspec.structs.replace(SAID, **changes), minutes * MINUTE_MS
    )
    assert (verdict.event if verdict else None) == event
