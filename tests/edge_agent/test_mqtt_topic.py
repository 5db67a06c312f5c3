"""What the MQTT source makes of payloads."""

from __future__ import annotations

import json
import os

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.flow.mqtt_topic import MqttTopicSource
from edge_agent.format_config import Csv, Image, Json, Npy, PayloadFormat, Raw, Window
from edge_agent.source_config import MqttTopic
from firmware_profiles.errors import InputError
from tests.edge_agent.test_payload import npy, png

FORMATS: list[PayloadFormat] = [Csv(2), Json(), Json(["a"]), Raw("int16", [2]), Image(), Npy()]


def source(layout: PayloadFormat, window: Window | None = None, reached: int = -1) -> MqttTopicSource:
    return MqttTopicSource(MqttTopic(name="m", topic="sensors/#", format=layout, window=window), reached)


def test_each_payload_is_an_input() -> None:
    for layout, body, expected in (
        (Csv(2), b"1,2\n3,4\n", [[1, 2], [3, 4]]),
        (Json(), b"[[1], [2]]", [[1], [2]]),
        (Json(["y", "x"]), b'{"x": 1, "y": 2}', [2, 1]),
        (Raw("int16", [2]), b"\1\0\2\0", [1, 2]),
        (Image(), png(np.zeros((1, 2), np.uint8)), [[0, 0]]),
        (Npy(), npy(np.arange(3)), [0, 1, 2]),
    ):
        fed = source(layout, reached=6)
        assert fed.feed(body) == [7]
        item = fed.poll()
        assert item is not None
        assert not isinstance(item.content, InputError)
        assert (item.position, item.content.tolist()) == (7, expected)
        assert fed.poll() is None


def test_payloads_fill_windows() -> None:
    fed = source(Json(["x"]), Window(2, 1))
    assert fed.feed(b'{"x": 1}') == []
    assert fed.feed(b'{"x": 2}') == [0]
    assert fed.feed(json.dumps([{"x": 3}, {"x": 4}]).encode()) == [1, 2]
    assert [item.content.tolist() for item in iter(fed.poll, None)] == [  # type: ignore[union-attr]
        [[1], [2]],
        [[2], [3]],
        [[3], [4]],
    ]


def test_what_cannot_be_read_is_a_gap_and_is_told_once_a_minute() -> None:
    fed = source(Csv(1), Window(2))
    assert fed.feed(b"1\n") == []
    assert [fed.feed(os.urandom(100)) for _ in range(100)] == [[0]] + [[]] * 99
    assert isinstance(fed.poll().content, InputError)  # type: ignore[union-attr]
    assert fed.feed(b"2\n") == []
    assert fed.feed(b"3\n") == [1]
    assert fed.poll().content.tolist() == [[2], [3]]  # type: ignore[union-attr]


def test_csv_has_its_declared_columns() -> None:
    fed = source(Csv(2))
    assert fed.feed(b"1,2,3\n") == [0]
    assert "expected 2 columns, found 3" in str(fed.poll().content)  # type: ignore[union-attr]


def test_windows_that_would_be_many_times_the_payload_are_refused() -> None:
    fed = source(Raw("uint8", [1 << 16, 1]), Window(1 << 15, 1))
    assert fed.feed(bytes(1 << 16)) == [0]
    assert "send fewer at once" in str(fed.poll().content)  # type: ignore[union-attr]


@given(st.lists(st.binary(max_size=60), max_size=5), st.sampled_from(FORMATS), st.sampled_from([None, Window(2)]))
def test_no_payload_raises_anything(bodies: list[bytes], layout: PayloadFormat, window: Window | None) -> None:
    fed = source(layout, window)
    told = [position for body in bodies for position in fed.feed(body)]
    assert [item.position for item in iter(fed.poll, None)] == told == list(range(len(told)))
