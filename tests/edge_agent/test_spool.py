"""The spool keeps what was committed, in order, once each, through crashes and damage."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent import config
from edge_agent.link.spool import open_spool
from firmware_profiles.results import Input
from firmware_profiles.wire import CLASSES
from tests.edge_agent.spools import LARGE, crash, events, numbers, put, put_many, waiting


def test_what_is_not_committed_is_not_offered(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool)
    assert spool.waiting() == []
    spool.commit()
    assert [event.seq for event in events(spool.waiting())] == [1]
    assert spool.waiting() == []


def test_numbers_and_messages_survive_a_restart(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put(spool)
    put(spool)
    spool.commit()
    spool.acknowledge(spool.waiting()[0].id)
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
    spool.acknowledge(waiting(spool)[0].id)
    spool.close()
    again = open_spool(tmp_path / "s.db", LARGE)
    assert again.messages == 0
    put(again)
    again.commit()
    assert numbers(again) == [2]


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


def test_classes_go_out_in_the_order_of_their_importance_and_each_in_order(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    for kind in reversed(CLASSES):
        put_many(spool, kind, 300)
    messages = waiting(spool)
    assert [message.topic for message in messages] == [f"t/{kind}" for kind in CLASSES for _ in range(300)]
    assert [event.seq for event in events(messages)] == [*range(1, 301)] * 3


def test_what_waited_before_is_given_again_and_what_was_acknowledged_is_not(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", LARGE)
    put_many(spool, "prediction", 400)
    given = [*spool.waiting(), *spool.waiting()]
    assert spool.waiting() == []
    for message in (given[0], *given[10:20], given[399]):
        spool.acknowledge(message.id)
    assert numbers(spool) == [*range(2, 11), *range(21, 400)]
    assert spool.messages == 388


@pytest.mark.parametrize("damage", ["overwritten", "truncated", "another file", "another format"])
def test_a_damaged_spool_is_set_aside_and_a_new_one_begun(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    spool = open_spool(path, LARGE)
    put_many(spool, "prediction", 200)
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


def test_normal_sync_writes_as_well(tmp_path: Path) -> None:
    spool = open_spool(tmp_path / "s.db", config.Spool(sync="normal"))
    assert spool._connection.execute("PRAGMA synchronous").fetchone() == (1,)
    put_many(spool, "prediction", 5)
    crash(spool)
    assert numbers(open_spool(tmp_path / "s.db", LARGE)) == [1, 2, 3, 4, 5]


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
            current.append((str(kind), seq[kind]))
        elif step == "commit":
            spool.commit()
            durable, durable_seq = list(current), dict(seq)
        elif step == "acknowledge" and isinstance(value, int):
            offered = spool.waiting()
            if value < len(offered):
                spool.acknowledge(offered[value].id)
                (event,) = events([offered[value]])
                current.remove((event.name, event.seq))
        elif step == "crash":
            crash(spool)
            spool = open_spool(path, LARGE)
            current, seq = list(durable), dict(durable_seq)
    found = [(event.name, event.seq) for event in events(waiting(spool))]
    assert found == sorted(current, key=lambda name_seq: (CLASSES.index(name_seq[0]), name_seq[1]))
    assert spool.messages == len(current)
    spool.close()
