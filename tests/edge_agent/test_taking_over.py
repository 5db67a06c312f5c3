"""A source that another worker goes on with: what was read before is answered, or goes on with it."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.channel import Rest
from edge_agent.flow.folder import FolderSource
from edge_agent.flow.mqtt_topic import MqttTopicSource
from edge_agent.flow.opening import open_source
from edge_agent.flow.source import Ended, Source
from edge_agent.format_config import Binary, Csv, Json, Pcm, StreamFormat, Window
from edge_agent.source_config import MqttTopic, Stdin
from firmware_profiles.errors import InputError

ROWS = 40
NUMBERS = range(2 * ROWS)
STREAMS: dict[str, tuple[StreamFormat, bytes]] = {
    "csv": (Csv(2), b"".join(b"%d,%d\n" % pair for pair in zip(NUMBERS[::2], NUMBERS[1::2], strict=True))),
    "json": (Json(["x"]), b"".join(b'{"x": %d}\n' % number for number in NUMBERS[:ROWS])),
    "binary": (
        Binary(["int16", "int16"], sync="aa"),
        b"".join(b"\xaa" + struct.pack("<hh", number, number) for number in NUMBERS[:ROWS]),
    ),
    "pcm": (Pcm(8000, channels=2), struct.pack(f"<{2 * ROWS}h", *NUMBERS)),
}
WINDOWS = st.none() | st.builds(Window, st.integers(1, 7), hop=st.integers(0, 9))


def drained(source: Source) -> tuple[list[Any], Rest | None]:
    """What it still gives after `finish`, and what it leaves."""
    source.finish()
    found: list[Any] = []
    try:
        while True:
            found.append(source.poll())
    except Ended:
        return found, source.close()


def contents(items: Sequence[Any]) -> list[tuple[int, Any]]:
    for item in items:
        assert not isinstance(item.content, InputError), item
    return [(item.position, item.content.tolist()) for item in items]


def read(layout: StreamFormat, body: bytes, window: Window | None, cuts: Sequence[tuple[int, int]]) -> list[Any]:
    """All items; at each of `cuts` (bytes written, items polled after that) another reader goes on."""
    ours, theirs = os.pipe()
    settings = Stdin(name="in", format=layout, window=window)
    found: list[Any] = []
    rest: Rest | None = None
    written = 0
    try:
        for end, polls in (*sorted(cuts), (len(body), 10_000)):
            source = open_source(settings, len(found) - 1, [], ours, rest)
            os.write(theirs, body[written : max(written, end)])
            written = max(written, end)
            items = [item for _ in range(polls) if (item := source.poll()) is not None]
            more, rest = drained(source)
            found += [*items, *more]
    finally:
        os.close(ours)
        os.close(theirs)
    return contents(found)


@settings(max_examples=40)
@given(
    st.sampled_from(sorted(STREAMS)),
    WINDOWS,
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 6)), min_size=1, max_size=3),
)
def test_a_stream_loses_nothing_wherever_it_is_cut(
    name: str, window: Window | None, cuts: list[tuple[int, int]]
) -> None:
    layout, body = STREAMS[name]
    whole = read(layout, body, window, [])
    assert read(layout, body, window, [(min(end, len(body)), polls) for end, polls in cuts]) == whole


@given(WINDOWS, st.integers(0, ROWS), st.integers(0, 6))
def test_messages_lose_nothing(window: Window | None, cut: int, polls: int) -> None:
    of = MqttTopic(name="m", topic="t", format=Csv(2), window=window)

    def heard(bodies: Sequence[bytes], source: MqttTopicSource, polls: int) -> tuple[list[Any], Rest | None]:
        for body in bodies:
            source.feed(body)
        items = [item for _ in range(polls) if (item := source.poll()) is not None]
        more, rest = drained(source)
        return [*items, *more], rest

    bodies = [b"%d,%d" % (number, number) for number in range(ROWS)]
    whole, _ = heard(bodies, MqttTopicSource(of, -1), 0)
    first, rest = heard(bodies[:cut], MqttTopicSource(of, -1), polls)
    second, _ = heard(bodies[cut:], MqttTopicSource(of, len(first) - 1, rest), polls)
    assert contents([*first, *second]) == contents(whole)


def test_what_waits_in_a_folder_is_for_the_next_one(tmp_path: Any) -> None:
    (tmp_path / "a.csv").write_text("1,2")
    source = FolderSource(tmp_path, [])
    assert drained(source) == ([], None)
