"""What a worker has ready before it takes over, so that nobody waits when it does."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edge_agent.channel import Finished, FromWorker, Open, Reader, Start
from edge_agent.flow import opening
from edge_agent.flow.feeds import Feeds
from edge_agent.flow.outgoing import Outgoing
from edge_agent.flow.source import Item
from edge_agent.source_config import Replay

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Pair]:
    """The supervisor's end of the channel, which never waits, and the worker's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    np.savez(tmp_path / "d.npz", x=np.arange(6.0))
    return Replay(name="r", path=str(tmp_path / "d.npz"))


def feeds(ends: Pair, replay: Replay, answered: list[Item]) -> Feeds:
    """As a worker that was started beside another one has them."""
    start = Start("/", [replay], 1.0, [], beside=True, stdin=-1, cache="/", external=None)
    return Feeds(start, Outgoing(ends[1]), lambda _, item: answered.append(item), opening.load(start.sources))


def test_data_is_read_before_the_sources_are_opened(ends: Pair, replay: Replay) -> None:
    answered: list[Item] = []
    waiting = feeds(ends, replay, answered)
    Path(replay.path).unlink()
    waiting.open(Open({"r": 3}, {"r": []}, 0, {}))
    waiting.poll()
    (item,) = answered
    assert item.position == 4
    assert np.array_equal(item.content, 4.0)  # type: ignore[arg-type]  # else it says why not


def test_data_that_is_missing_bad_or_large_is_left_for_later(replay: Replay) -> None:
    path = Path(replay.path)
    assert "r" in opening.load([replay])
    np.savez(path, x=np.zeros(64 << 20, np.uint8))
    assert opening.load([replay]) == {}
    path.write_bytes(b"no data")
    assert opening.load([replay]) == {}
    path.unlink()
    assert opening.load([replay]) == {}


def test_that_the_sources_are_free_is_said_at_once(ends: Pair, replay: Replay) -> None:
    leaving = feeds(ends, replay, [])
    leaving.open(Open({"r": -1}, {"r": []}, 0, {}))
    leaving.poll()
    leaving.finish()
    leaving.poll()
    reader: Reader[FromWorker] = Reader(FromWorker)
    assert isinstance([*reader.feed(ends[0].recv(1 << 16))][-1], Finished)
