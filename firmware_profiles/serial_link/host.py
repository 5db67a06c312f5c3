"""The host's end, without I/O: bytes and the time go in, bytes and what became of it come out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from hashlib import sha256

from firmware_profiles.errors import Problem, UnavailableError
from firmware_profiles.serial_link import states
from firmware_profiles.serial_link.chunks import Chunks
from firmware_profiles.serial_link.contents import Contents
from firmware_profiles.serial_link.frames import Deframer, frame, hello
from firmware_profiles.serial_link.messages import (
    VERSION,
    Ack,
    Bye,
    Ended,
    Finish,
    Gone,
    Message,
    Offer,
    Ready,
    Working,
)
from firmware_profiles.serial_link.said import Said, said
from firmware_profiles.serial_link.sending import Sending
from firmware_profiles.serial_link.timing import FrameSize, RoundTrip

SILENCE_S = 30.0
"""Without a word from the device it is given up."""
_AGAIN_S = 0.3
_BYES = 3

ReadFile = Callable[[int, int, int], bytes]
"""Which file, from which byte on, how many bytes → its content."""


class Host:
    """Brings the files of `contents` to a device and has it install them.

    Attributes:
        state: of `states.HOST`.
        facts: JSON that the device told about itself.
        doing: what the device says it is doing.
        outcome: of the installation, once `state` is `ended`.
        over: whether nothing is left to say.
    """

    def __init__(self, contents: Contents, read: ReadFile, now_s: float, choose: random.Random) -> None:
        self.state = "knocking"
        self.facts = b""
        self.doing = ""
        self.outcome: Said | None = None
        self.over = False
        self._listed = contents.encode()
        self._files = contents.chunks()
        self._read = read
        self._choose = choose
        self._deframer = Deframer()
        self._round_trip = RoundTrip()
        self._frame_size = FrameSize()
        self._sending: Sending | None = None
        self._hello = hello(choose)
        self._tag = 0
        self._offered = False
        self._again_s = now_s
        self._heard_s = now_s

    @property
    def files(self) -> tuple[int, int]:
        """How many bytes of the files have arrived, about, and of how many."""
        if self.state != "filling" or self._sending is None:
            return (self._files.size_bytes if self.state in ("finishing", "ended") else 0), self._files.size_bytes
        return self._sending.arrived.arrived() * self._files.size_bytes // self._files.count, self._files.size_bytes

    def reconnected(self, now_s: float) -> None:
        """The line was lost and is there again: a `Poll`, or what is repeated anyway, finds out what the device has."""
        self._deframer = Deframer()
        self._heard_s = self._again_s = now_s

    def feed(self, received: bytes, now_s: float) -> None:
        """Take what came in."""
        for message in self._deframer.feed(received):
            self._heard_s = now_s
            self._take(message, now_s)

    def output(self, now_s: float, room_bytes: int) -> bytes:
        """What to send now, about `room_bytes` of it at most.

        Raises:
            UnavailableError: the device has not said a word for `SILENCE_S`, or speaks another version.
        """
        if now_s > self._heard_s + SILENCE_S and self.state != "ended":
            step = "look at the cable and the device, then type the same again: it goes on where it was"
            raise UnavailableError(Problem("serial line", "an answer", f"none for {SILENCE_S:.0f} s", step))
        pieces: list[bytes] = []
        for framed in self._next(now_s):
            pieces.append(framed)
            room_bytes -= len(framed)
            if room_bytes <= 0:
                break
        return b"".join(pieces)

    def wake_s(self) -> float:
        """When `output` has something to say again."""
        if self.over:
            return float("inf")
        return min(self._streaming.wake_s(), self._again_s) if self._streaming else self._again_s

    @property
    def _streaming(self) -> Sending | None:
        """The stream that the device has taken, while it is sent."""
        return self._sending if self.state in ("listing", "filling") and not self._offered else None

    def _next(self, now_s: float) -> Iterator[bytes]:
        if self.state == "ended":
            if not self.over:
                yield frame(Bye(self._tag)) * _BYES
            self.over = True
            return
        if now_s >= self._again_s:
            yield self._repeated(now_s)
        if sending := self._streaming:
            while message := sending.next(now_s):
                yield frame(message)

    def _repeated(self, now_s: float) -> bytes:
        """What is said until it is answered."""
        self._again_s = now_s + _AGAIN_S
        if self.state == "knocking":
            return self._hello
        if self.state == "finishing":
            return frame(Finish(self._tag))
        if self._offered:
            stream = 0 if self.state == "listing" else 1
            return frame(Offer(self._tag, stream, len(self._listed), sha256(self._listed).digest()))
        self._again_s = float("inf")
        return b""

    def _take(self, message: Message, now_s: float) -> None:
        if isinstance(message, Ready):
            self._found(message, now_s)
        elif isinstance(message, Ack | Gone | Working | Ended) and message.tag == self._tag:
            if isinstance(message, Ack):
                self._acknowledged(message, now_s)
            elif isinstance(message, Working):
                self.doing = message.text.decode("ascii", "replace")
            elif isinstance(message, Gone):
                self._happened("Gone", now_s)
            elif self._happened("Ended", now_s):
                self.outcome = said(message)

    def _found(self, message: Ready, now_s: float) -> None:
        if self.state != "knocking":
            return
        if message.version != VERSION:
            found = f"version {message.version}"
            step = "install the same version of Godwit on both"
            raise UnavailableError(Problem("serial line", f"version {VERSION} of the protocol", found, step))
        self.facts = message.facts
        self._happened("Ready", now_s)

    def _acknowledged(self, ack: Ack, now_s: float) -> None:
        if self._sending is None:
            return
        self._offered = False
        self._sending.acknowledged(ack, now_s)
        if self._sending.arrived.complete:
            self._happened("all acknowledged", now_s)

    def _happened(self, what: str, now_s: float) -> bool:
        state = states.HOST.get((self.state, what))
        if state is None:
            return False
        self.state = state
        self._again_s = now_s
        if state in ("listing", "filling"):
            self._offer()
        return True

    def _offer(self) -> None:
        self._tag = self._choose.randrange(1, 1 << 16)
        self._offered = True
        if self.state == "listing":
            chunks, read = Chunks([len(self._listed)]), self._read_listed
        else:
            chunks, read = self._files, self._read_file
        self._sending = Sending(self._tag, chunks, read, self._round_trip, self._frame_size)

    def _read_listed(self, first: int, count: int) -> bytes:
        _, offset = Chunks([len(self._listed)]).place(first)
        return self._listed[offset : offset + Chunks([len(self._listed)]).length_bytes(first, count)]

    def _read_file(self, first: int, count: int) -> bytes:
        index, offset = self._files.place(first)
        return self._read(index, offset, self._files.length_bytes(first, count))
