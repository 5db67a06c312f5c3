"""Both ends over a line in memory: any noise, any interruption, any bytes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link.device import Device
from firmware_profiles.serial_link.frames import Deframer, frame
from firmware_profiles.serial_link.host import Host
from firmware_profiles.serial_link.messages import CHUNK_BYTES, Ack, Ended, Gone, Offer, Poll, Ready
from firmware_profiles.serial_link.said import Said, said
from tests.firmware_profiles.serial_link.simulated import Meeting, Memory, Wire, clean, contents_of, noisy
from tests.firmware_profiles.serial_link.test_frames import MESSAGES

FILES = [random.Random(1).randbytes(40_000), b"", b"x", random.Random(2).randbytes(CHUNK_BYTES)]  # noqa: S311


def meeting(rate: float = 0.0, seed: int = 1, files: list[bytes] = FILES, store: Memory | None = None) -> Meeting:
    choose = random.Random(seed)  # noqa: S311
    spoil: Callable[[bytes], bytes] = noisy(choose, rate) if rate else clean
    return Meeting(files, Wire(spoil), Wire(spoil), store or Memory())


def arrived(met: Meeting) -> bool:
    return [bytes(file) for file in met.store.files] == met.files


@pytest.mark.parametrize("rate", [0.0, 1e-4, 1e-3, 5e-3])
def test_everything_arrives_under_noise(rate: float) -> None:
    met = meeting(rate)
    met.run(lambda: met.host.over)
    assert arrived(met)
    assert met.host.outcome == Said(0, "installed", "")


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=3000), min_size=1, max_size=6), st.integers(0, 999), st.sampled_from([0.0, 2e-3]))
def test_any_files_arrive(files: list[bytes], seed: int, rate: float) -> None:
    met = meeting(rate, seed, files)
    met.run(lambda: met.host.over)
    assert arrived(met)


def test_a_clean_line_carries_little_else_than_content() -> None:
    met = meeting(files=[random.Random(3).randbytes(400_000)])  # noqa: S311
    met.run(lambda: met.host.over)
    assert 0.98 * met.there.carried_bytes < 400_000


def test_a_host_that_comes_again_sends_only_the_rest() -> None:
    first = meeting()
    first.run(lambda: first.store.bitmap.count > 0 and first.store.bitmap.arrived() > 60)
    second = meeting(store=first.store)
    second.run(lambda: second.host.over)
    assert arrived(second)
    assert second.there.carried_bytes < sum(map(len, FILES)) - 60 * CHUNK_BYTES + 2000


def test_a_device_that_starts_again_is_offered_everything_again() -> None:
    met = meeting()
    met.run(lambda: met.store.bitmap.arrived() > 60)
    met.device = Device(met.store, lambda: b"{}")
    met.run(lambda: met.host.over)
    assert arrived(met)
    assert met.there.carried_bytes < 1.5 * sum(map(len, FILES))


def test_a_device_that_lost_its_disk_gets_everything_again() -> None:
    met = meeting()
    met.run(lambda: met.store.bitmap.arrived() > 60)
    met.store = Memory()
    met.device = Device(met.store, lambda: b"{}")
    met.run(lambda: met.host.over)
    assert arrived(met)


def test_the_line_may_be_lost_in_any_state() -> None:
    states = {lost_at(0.01 * count) for count in range(1, 40, 2)}
    assert states >= {"knocking", "listing", "filling", "finishing"}


def lost_at(moment_s: float) -> str:
    met = meeting()
    met.run(lambda: met.host.over or met.now_s >= moment_s)
    state = met.host.state
    met.there, met.back = Wire(clean), Wire(clean)  # what was on its way is gone
    met.device.let_go()
    met.host.reconnected(met.now_s)
    met.run(lambda: met.host.over)
    assert arrived(met)
    return state


def test_a_file_that_went_wrong_on_the_disk_is_sent_again() -> None:
    met = meeting()
    met.store.results.append([0])
    met.run(lambda: met.host.over)
    assert met.host.outcome == Said(0, "installed", "")
    assert met.there.carried_bytes > 1.9 * len(FILES[0])


def test_what_the_device_refuses_is_told_at_the_host() -> None:
    met = meeting(1e-3)
    met.store.refusal = UnavailableError(Problem("/data", "room", "none", "make some"))
    met.run(lambda: met.host.over)
    assert met.host.outcome == Said(4, "", "error: /data: expected room, found none; make some\n")
    assert met.device.state == "ended"


def test_silence_ends_the_host_with_a_next_step() -> None:
    met = meeting()
    met.run(lambda: met.host.state == "filling")
    met.back = Wire(lambda _: b"")
    with pytest.raises(UnavailableError, match="goes on where it was"):
        met.run(lambda: met.host.over)


def test_silence_lets_the_store_go() -> None:
    met = meeting()
    met.run(lambda: met.host.state == "filling")
    met.device.output(met.now_s + 60, 4096)
    assert met.device.state == "idle"
    assert met.store.releases == 1


_HOSTILE = st.lists(
    st.binary(max_size=300) | st.one_of(*MESSAGES.values()).map(frame) | st.sampled_from([b"\0"]), max_size=30
)


@settings(max_examples=60)
@given(_HOSTILE, st.integers(0, 70))
def test_no_bytes_stop_a_device(pieces: list[bytes], moments: int) -> None:
    met = meeting()
    until_s = moments / 100
    met.run(lambda: met.now_s > until_s)
    for piece in pieces:
        met.device.feed(piece, met.now_s)
        met.device.output(met.now_s, 4096)
    met = meeting(store=met.store)
    met.run(lambda: met.host.over)
    assert arrived(met)


@settings(max_examples=60)
@given(_HOSTILE, st.integers(0, 70), st.data())
def test_no_bytes_stop_a_host(pieces: list[bytes], moments: int, data: st.DataObject) -> None:
    met = meeting()
    until_s = moments / 100
    met.run(lambda: met.now_s > until_s)
    tag = met.host._tag
    numbers = st.integers(0, 2**32 - 1)
    own = st.one_of(
        st.builds(Ack, st.just(tag), numbers, numbers, st.binary(max_size=200)),
        st.builds(Ended, st.just(tag), st.integers(0, 255), st.binary(max_size=80)),
        st.builds(Gone, st.just(tag)),
    )
    for piece in pieces:
        for bytes_ in (piece, frame(data.draw(own))):
            try:
                met.host.feed(bytes_, met.now_s)
                met.host.output(met.now_s, 4096)
            except UnavailableError as error:
                assert "version" in str(error)  # noqa: PT017
    assert met.host.state in ("knocking", "listing", "filling", "finishing", "ended")


def test_a_later_protocol_is_named() -> None:
    met = meeting()
    with pytest.raises(UnavailableError, match="version 1 of the protocol, found version 2"):
        met.host.feed(frame(Ready(2, b"12345678", b"")), 0.0)


def test_a_list_that_is_too_long_is_refused_before_it_comes() -> None:
    device = Device(Memory(), lambda: b"{}")
    device.feed(frame(Offer(7, 0, 1 << 40, bytes(32))), 0.0)
    assert device.outcome is not None
    assert "at most 1048576 bytes" in device.outcome.stderr


@given(st.binary(max_size=200))
def test_nonsense_about_the_end_leaves_the_exit_code(content: bytes) -> None:
    assert said(Ended(1, 3, content)).exit_code == 3


@given(st.text(max_size=3000), st.text(alphabet='"\\\n\x1b€', max_size=3000))
def test_what_a_process_said_fits_and_harms_no_terminal(stdout: str, stderr: str) -> None:
    message = Said(-9, stdout, stderr).message(1)
    (came,) = Deframer().feed(frame(message))
    assert isinstance(came, Ended)
    told = said(came)
    assert told.exit_code == 247
    assert all(letter == "\n" or letter.isprintable() for letter in told.stdout + told.stderr)
    assert len(told.stderr.encode()) >= min(len(stderr), 900)


def test_a_host_that_never_listens_costs_no_memory() -> None:
    device = Device(Memory(), lambda: b"{}")
    for _ in range(500):
        device.feed(frame(Poll(9, 1)), 0.0)
    assert len(device.output(0.0, 4096)) < 2000


def test_two_hosts_are_the_same_bytes_for_the_same_time_and_chance() -> None:
    hosts = [Host(contents_of(FILES), lambda *_: b"", 0.0, random.Random(5)) for _ in range(2)]  # noqa: S311
    assert hosts[0].output(0.0, 4096) == hosts[1].output(0.0, 4096)
