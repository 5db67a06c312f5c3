"""Frames and what is in them: round trips, known vectors, and bytes that are none."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_profiles.serial_link import cobs
from firmware_profiles.serial_link.frames import Deframer, frame, hello
from firmware_profiles.serial_link.messages import (
    FORMS,
    TAIL_BYTES,
    Ack,
    Bye,
    Data,
    Ended,
    Finish,
    Gone,
    Hello,
    Message,
    Offer,
    Poll,
    Ready,
    Working,
    pack,
    unpack,
)

_TAGS = st.integers(0, 0xFFFF)
_NUMBERS = st.integers(0, 0xFFFFFFFF)
_TAILS = st.binary(max_size=TAIL_BYTES)
MESSAGES: dict[type[Message], st.SearchStrategy[Message]] = {
    Hello: st.builds(Hello, st.binary(min_size=1, max_size=1), st.binary(min_size=8, max_size=8), _TAILS),
    Ready: st.builds(Ready, st.integers(0, 255), st.binary(min_size=8, max_size=8), _TAILS),
    Offer: st.builds(Offer, _TAGS, st.integers(0, 255), st.integers(0, 2**64 - 1), st.binary(min_size=32, max_size=32)),
    Data: st.builds(Data, _TAGS, _NUMBERS, _NUMBERS, _TAILS),
    Poll: st.builds(Poll, _TAGS, _NUMBERS),
    Ack: st.builds(Ack, _TAGS, _NUMBERS, _NUMBERS, _TAILS),
    Gone: st.builds(Gone, _TAGS),
    Finish: st.builds(Finish, _TAGS),
    Working: st.builds(Working, _TAGS, _TAILS),
    Ended: st.builds(Ended, _TAGS, st.integers(0, 255), _TAILS),
    Bye: st.builds(Bye, _TAGS),
}


def test_every_message_is_tried() -> None:
    assert MESSAGES.keys() == FORMS.keys()


# Cheshire and Baker's examples, as in https://en.wikipedia.org/wiki/Consistent_Overhead_Byte_Stuffing
@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        ("00", "0101"),
        ("0000", "010101"),
        ("11220033", "0311220233"),
        ("11223344", "0511223344"),
        ("11000000", "0211010101"),
        (bytes(range(1, 255)).hex(), "ff" + bytes(range(1, 255)).hex()),
        (bytes(range(255)).hex(), "01ff" + bytes(range(1, 255)).hex()),
        (bytes(range(1, 256)).hex(), "ff" + bytes(range(1, 255)).hex() + "02ff"),
        ((bytes(range(2, 256)) + b"\0").hex(), "ff" + bytes(range(2, 256)).hex() + "0101"),
        ((bytes(range(3, 256)) + b"\0\1").hex(), "fe" + bytes(range(3, 256)).hex() + "0201"),
    ],
)
def test_stuffing_is_as_published(data: str, encoded: str) -> None:
    assert cobs.encode(bytes.fromhex(data)).hex() == encoded
    assert cobs.decode(bytes.fromhex(encoded)).hex() == data


@given(st.binary(max_size=2000) | st.lists(st.sampled_from([b"\0", b"a" * 253, b"b" * 254, b"c"])).map(b"".join))
def test_what_is_stuffed_comes_back(data: bytes) -> None:
    encoded = cobs.encode(data)
    assert 0 not in encoded
    assert len(encoded) <= len(data) + len(data) // 254 + 1
    assert cobs.decode(encoded) == data


@given(st.one_of(*MESSAGES.values()), st.integers(1, 500))
def test_what_is_framed_comes_back_however_it_is_cut(message: Message, cut: int) -> None:
    sent = frame(message)
    assert sent.index(b"\0") == len(sent) - 1
    deframer = Deframer()
    found = [each for at in range(0, len(sent), cut) for each in deframer.feed(sent[at : at + cut])]
    assert found == [message]
    assert unpack(pack(message)) == message


@given(st.one_of(*MESSAGES.values()), st.data())
def test_no_message_comes_of_one_with_a_changed_byte(message: Message, data: st.DataObject) -> None:
    sent = bytearray(frame(message))
    at = data.draw(st.integers(0, len(sent) - 1))
    sent[at] ^= data.draw(st.integers(1, 255))
    assert list(Deframer().feed(bytes(sent) + b"\0")) == []


def test_what_never_ends_is_not_kept() -> None:
    deframer = Deframer()
    for _ in range(100):
        assert list(deframer.feed(b"a" * 1000)) == []
        assert len(deframer._open) < 6000
    assert deframer.noise_bytes > 90_000


@given(st.lists(st.binary(max_size=9000), max_size=8), st.one_of(*MESSAGES.values()))
def test_a_frame_is_found_after_any_noise(noise: list[bytes], message: Message) -> None:
    deframer = Deframer()
    for piece in noise:
        list(deframer.feed(piece))
    assert list(deframer.feed(b"\0" + frame(message)))[-1] == message
    assert deframer.noise_bytes == 0


@given(st.binary(max_size=600))
def test_a_body_is_a_message_or_refused(body: bytes) -> None:
    try:
        message = unpack(body)
    except ValueError:
        return
    assert pack(message) == body


def test_the_hello_can_be_typed_at_a_prompt() -> None:
    for seed in range(20):
        sent = hello(random.Random(seed))  # noqa: S311
        assert all(0x20 <= byte < 0x7F for byte in sent.strip(b"\0"))
        assert isinstance(next(Deframer().feed(sent)), Hello)
