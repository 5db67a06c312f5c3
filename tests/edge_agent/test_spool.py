"""The spool keeps what was committed, in order, once each, through crashes, damage and a full disk's bound."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.link.spool import Spool, open_spool
from firmware_profiles.wire import CLASSES, Input, MessageClass

LARGE = 1 << 30


def put(spool: Spool, kind: MessageClass = "prediction", size: int = 100, answers: Input | None = None) -> None:
    spool.put(kind, f"t/{kind}", lambda seq: str(seq).encode().ljust(size))
    if answers is not None:
        spool.answered(answers)


def numbers(spool: Spool) -> list[int]:
    return [int(message.payload) for message in spool.waiting(0, 1000)]


def test_what_is_not_committed_is_not_offered(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool)
    assert numbers(spool) == []
    spool.commit()
    assert numbers(spool) == [1]


def test_numbers_and_messages_survive_a_restart(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool)
    put(spool)
    spool.commit()
    spool.acknowledge(spool.waiting(0, 1)[0].id)
    spool.close()
    again = open_spool(tmp_path / "s.db", LARGE)
    assert again.id == spool.id
    put(again)
    again.commit()
    assert numbers(again) == [2, 3]
    assert again.messages == 2


def test_all_acknowledged_and_reopened_the_numbers_go_on(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool)
    spool.commit()
    spool.acknowledge(1)
    spool.close()
    again = open_spool(tmp_path / "s.db", LARGE)
    assert (again.messages, again.bytes) == (0, 0)
    put(again)
    again.commit()
    assert numbers(again) == [2]


def crash(spool: Spool) -> None:
    """What a killed process leaves behind: its open transaction is rolled back."""
    spool._connection.close()


def test_a_crash_takes_message_and_cursor_together(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool, answers=Input("replay", 0))
    put(spool, answers=Input("folder", "a.png"))
    spool.commit()
    put(spool, answers=Input("replay", 1))
    put(spool, answers=Input("folder", "b.png"))
    crash(spool)
    again = open_spool(tmp_path / "s.db", LARGE)
    assert numbers(again) == [1, 2]
    assert again.cursor("replay").reached == 0
    assert again.cursor("folder").taken == ["a.png"]


def test_forgotten_names_may_come_again(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    for name in ("a", "b"):
        put(spool, answers=Input("folder", name))
    spool.forget("folder", ["a", "never seen"])
    spool.close()
    assert open_spool(tmp_path / "s.db", LARGE).cursor("folder").taken == ["b"]


def test_a_full_spool_drops_telemetry_first_and_events_last(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", 100_000)
    for kind in CLASSES:
        for _ in range(100):
            put(spool, kind, 300)
    for _ in range(250):
        put(spool, "event", 300)
    spool.commit()
    kinds = {message.topic for message in spool.waiting(0, 1000)}
    assert kinds == {"t/event"}
    assert spool.dropped["telemetry"] == 100
    assert spool.dropped["prediction"] == 100
    assert 0 < spool.dropped["event"] < 100
    assert spool.bytes <= 100_000
    spool.close()
    assert open_spool(tmp_path / "s.db", 100_000).dropped == spool.dropped


@pytest.mark.parametrize("damage", ["overwritten", "truncated", "another file", "another format"])
def test_a_damaged_spool_is_set_aside_and_a_new_one_begun(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = open_spool(path, LARGE)
    for _ in range(200):
        put(spool)
    spool.close()
    content = path.read_bytes()
    if damage == "overwritten":
        path.write_bytes(content[:4096] + b"\xff" * 8192 + content[12288:])
    elif damage == "truncated":
        path.write_bytes(content[: len(content) // 2 + 100])
    elif damage == "another file":
        path.write_bytes(b"not a database " * 1000)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA user_version = 99")
    damaged = path.read_bytes()
    fresh = open_spool(path, LARGE)
    assert fresh.replaced is not None
    assert fresh.replaced.read_bytes() == damaged
    assert fresh.id != spool.id
    put(fresh)
    fresh.commit()
    assert numbers(fresh) == [1]


def test_a_whole_spool_is_not_replaced(tmp_path: Path) -> None:
    open_spool(tmp_path / "s.db", LARGE).close()
    assert open_spool(tmp_path / "s.db", LARGE).replaced is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from(CLASSES)),
        st.tuples(st.just("commit"), st.none()),
        st.tuples(st.just("acknowledge"), st.integers(0, 5)),
        st.tuples(st.just("crash"), st.none()),
    ),
    max_size=40,
)


@given(steps)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_committed_and_unacknowledged_is_exactly_what_waits(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, object]]
) -> None:
    """Against lists in memory: a crash gives back what the last commit had, neither more nor less."""
    path = tmp_path_factory.mktemp("spool") / "s.db"
    spool = open_spool(path, LARGE)
    current, seq = [], dict.fromkeys(CLASSES, 0)
    durable, durable_seq = list(current), dict(seq)
    for step, value in steps:
        if step == "put":
            kind = next(kind for kind in CLASSES if kind == value)
            put(spool, kind, 1)
            seq[kind] += 1
            current.append((f"t/{kind}", str(seq[kind]).encode()))
        elif step == "commit":
            spool.commit()
            durable, durable_seq = list(current), dict(seq)
        elif step == "acknowledge" and isinstance(value, int):
            waiting = spool.waiting(0, 100)
            if value < len(waiting):
                spool.acknowledge(waiting[value].id)
                current.remove((waiting[value].topic, waiting[value].payload))
        elif step == "crash":
            crash(spool)
            spool = open_spool(path, LARGE)
            current, seq = list(durable), dict(durable_seq)
    spool.commit()
    assert [(message.topic, message.payload) for message in spool.waiting(0, 1000)] == current
    assert spool.messages == len(current)
    spool.close()
