"""The serial source on a real terminal device: rows, noise, and a cable that is pulled."""

from __future__ import annotations

import os
import select
import struct
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.flow import attempts
from edge_agent.flow.packets import crc16
from edge_agent.flow.source import Item
from edge_agent.format_config import Binary, Csv, Window
from edge_agent.source_config import Serial
from firmware_profiles.errors import InputError
from tests.edge_agent.polling import contents, failure, next_item, opened
from tests.edge_agent.support import wait_until


class Cable:
    """A device at one end of a pseudo-terminal; `port` is a name that can be plugged in elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.port = folder / "ttyUSB0"
        self._ours = -1

    def plug(self) -> None:
        self._ours, theirs = os.openpty()
        tty.setraw(theirs)
        self.port.symlink_to(os.ttyname(theirs))
        os.close(theirs)

    def send(self, body: bytes) -> None:
        os.write(self._ours, body)

    def unplug(self) -> None:
        self.port.unlink()
        os.close(self._ours)


@pytest.fixture
def cable(tmp_path: Path) -> Iterator[Cable]:
    plugged = Cable(tmp_path)
    plugged.plug()
    yield plugged
    plugged.unplug()


def csv(cable: Cable, window: Window | None = None) -> Serial:
    return Serial(name="imu", port=str(cable.port), format=Csv(2), window=window)


def test_rows_are_numbered_on(cable: Cable) -> None:
    with opened(csv(cable), reached=41) as source:
        assert source.poll() is None
        cable.send(b"half a line\n1,2\r\n3.5,-4\r\n")
        items = [next_item(source) for _ in range(2)]
        assert [item.position for item in items] == [42, 43]
        assert source.poll() is None
    assert [item.content.tolist() for item in items if not isinstance(item.content, InputError)] == [[1, 2], [3.5, -4]]


def test_what_comes_faster_than_the_rate_is_read_and_dropped(cable: Cable) -> None:
    """Left in the port it would fill it, and rows be lost in the middle."""
    settings = Serial(name="imu", port=str(cable.port), format=Csv(2), rate=0.001)
    with opened(settings) as source:
        assert source.poll() is None
        cable.send(b"\n0,0\n")
        assert next_item(source).position == 0
        for number in range(1000):
            cable.send(b"%d,0\n" % number)
            if number % 100 == 0:
                assert source.poll() is None
        wait_until(lambda: source.poll() is None and not select.select([source.fileno()], [], [], 0)[0], "all read")


def test_packets_in_windows(cable: Cable) -> None:
    layout = Binary(["int16", "float32"], sync="aa55", checksum="crc16")
    bodies = [struct.pack("<hf", number, number / 2) for number in range(6)]
    frames = [b"\xaa\x55" + body + struct.pack("<H", crc16(body)) for body in bodies]
    frames[3] = b"\xaa\x55" + bytes(3)
    with opened(Serial(name="imu", port=str(cable.port), format=layout, window=Window(2))) as source:
        assert source.poll() is None
        cable.send(b"".join(frames))
        first, second, rejected = contents(source, 3)
    assert first == [[0, 0], [1, 0.5]]
    assert second == [[4, 2], [5, 2.5]]
    assert "5 bytes that are none" in str(rejected)


def test_noise_is_counted_and_told_once_a_minute(cable: Cable) -> None:
    with opened(csv(cable)) as source:
        assert source.poll() is None
        told: list[Item] = []
        for _ in range(9):
            cable.send(b"\n\xfe\x00,noise\n1\n5,6\n")
            item = next_item(source)
            while isinstance(item.content, InputError):
                told.append(item)
                item = next_item(source)
    assert len(told) == 1


def test_a_cable_that_was_pulled_and_plugged_in_again(cable: Cable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "_FIRST_DELAY_S", 0.05)
    with opened(csv(cable, Window(3))) as source:
        assert source.poll() is None
        cable.send(b"\n1,1\n2,2\n")
        wait_until(lambda: source.poll() is None and source.fileno() is not None, "the rows read")
        cable.unplug()
        assert "expected an answer, found" in failure(source)
        assert source.fileno() is None
        assert "no such file or directory" in failure(source)
        cable.plug()
        wait_until(lambda: source.poll() is None and source.fileno() is not None, "the port opened again")
        cable.send(b"9,9\n3,3\n4,4\n5,5\n")
        assert contents(source, 1) == [[[3, 3], [4, 4], [5, 5]]]


def test_a_port_that_is_missing_is_told_once(tmp_path: Path) -> None:
    settings = Serial(name="imu", port=str(tmp_path / "ttyACM0"), format=Csv(1))
    with opened(settings) as source:
        with pytest.raises(InputError, match="expected a serial port, found no such file or directory"):
            source.poll()
        assert [source.poll() for _ in range(3)] == [None, None, None]
        assert source.fileno() is None
