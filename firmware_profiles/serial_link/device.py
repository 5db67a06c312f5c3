"""The device's end, without I/O: it answers, and never speaks first. Where files lie is the `Store`'s."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from firmware_profiles.errors import GodwitError, InputError, Problem
from firmware_profiles.serial_link import contents as contents_
from firmware_profiles.serial_link import states
from firmware_profiles.serial_link.bitmap import Bitmap
from firmware_profiles.serial_link.chunks import Chunks
from firmware_profiles.serial_link.frames import END, Deframer, frame
from firmware_profiles.serial_link.messages import (
    VERSION,
    Ack,
    Bye,
    Data,
    Finish,
    Gone,
    Hello,
    Message,
    Offer,
    Poll,
    Ready,
    Working,
)
from firmware_profiles.serial_link.said import Said
from firmware_profiles.serial_link.store import Store

SILENCE_S = 30.0
"""Without a word from the host its transfer is let go; what arrived is kept."""
_LOOK_S = 0.1
_MOST_ANSWERS = 64


class Device:
    """Takes what a host brings.

    Attributes:
        state: of `states.DEVICE`.
        heard_s: when the last word of a host came.
        outcome: of the last installation that was asked for; None while another is asked for.
        served: how many hosts were told how it ended, and knew.
    """

    def __init__(self, store: Store, facts: Callable[[], bytes]) -> None:
        """Args: `facts` tells JSON about this device."""
        self.state = "idle"
        self.served = 0
        self._store = store
        self._facts = facts
        self._deframer = Deframer()
        self._answers: list[bytes] = []
        self._tag = 0
        self._listed = bytearray()
        self._size_bytes = 0
        self._sha256 = b""
        self._chunks = Chunks([])
        self._bitmap = Bitmap(0)
        self._newest = 0
        self._owes_ack = False
        self.outcome: Said | None = None
        self._doing = b""
        self.heard_s = float("-inf")
        self._looked_s = float("-inf")

    def feed(self, received: bytes, now_s: float) -> None:
        """Take what came in."""
        for message in self._deframer.feed(received):
            self.heard_s = now_s
            try:
                self._take(message)
            except GodwitError as error:
                self._refuse(error)
        if self._owes_ack:
            self._owes_ack = False
            self._answer(Ack(self._tag, self._newest, self._bitmap.base, self._bitmap.window()))

    @property
    def noise_bytes(self) -> int:
        """That came in since the last frame and were none: many of them mean a host at another speed."""
        return self._deframer.noise_bytes

    def output(self, now_s: float, room_bytes: int) -> bytes:
        """What to send now: answers are few, and go out whatever the room."""
        if self.state == "finishing":
            self._looked_s = now_s
            try:
                self._look()
            except GodwitError as error:
                self._refuse(error)
        if now_s > self.heard_s + SILENCE_S:
            self.let_go()
        answers, self._answers = self._answers, []
        return b"".join(answers)

    def wake_s(self) -> float:
        """When `output` has something to do again: soon, while something is being done."""
        if self._answers:
            return 0.0
        if self.state == "finishing":
            return self._looked_s + _LOOK_S
        return float("inf") if self.state == "idle" else self.heard_s + SILENCE_S

    def let_go(self) -> None:
        """Nobody is there any more: keep what has arrived."""
        ended = self.state == "ended"
        if self._happened("silence"):
            self.served += ended
            self._store.release()

    def _take(self, message: Message) -> None:
        if isinstance(message, Hello):
            self._answer(Ready(VERSION, message.nonce, self._facts()))
        elif isinstance(message, Offer):
            self._offered(message)
        elif isinstance(message, Data | Poll | Finish | Bye):
            self._of_transfer(message)

    def _of_transfer(self, message: Data | Poll | Finish | Bye) -> None:
        if message.tag != self._tag or self.state == "idle":
            if not isinstance(message, Bye):
                self._answer(Gone(message.tag))
        elif isinstance(message, Bye):
            if self._happened("Bye"):
                self.served += 1
                self._store.release()
        elif self.outcome is not None:
            if not isinstance(message, Data):
                self._answer(self.outcome.message(self._tag))
        elif isinstance(message, Finish):
            self._finish()
        elif self.state in ("listing", "filling"):
            self._newest = max(self._newest, message.number)
            self._owes_ack = True
            if isinstance(message, Data):
                self._keep(message.first, message.payload)

    def _offered(self, offer: Offer) -> None:
        if self.state == "finishing":  # the host has begun anew, and must wait: nothing may touch the files now
            self._answer(Working(offer.tag, self._doing))
            return
        if offer.tag == self._tag and self.state != "idle":  # the answer was lost
            if self.outcome is not None:
                self._answer(self.outcome.message(self._tag))
            else:
                self._owes_ack = True
            return
        self._tag, self._newest, self.outcome = offer.tag, 0, None
        self._sha256, self._size_bytes = offer.sha256, offer.size_bytes
        if offer.stream == 0:
            self._happened("Offer of contents")
            self._offered_list()
        else:
            self._offered_files()

    def _offered_list(self) -> None:
        if not 0 < self._size_bytes <= contents_.MOST_BYTES:
            found = f"{self._size_bytes} bytes"
            raise InputError(Problem("contents", f"at most {contents_.MOST_BYTES} bytes", found, "bring fewer files"))
        self._chunks = Chunks([self._size_bytes])
        self._bitmap = Bitmap(self._chunks.count)
        self._listed = bytearray(self._size_bytes)
        if self._store.known(self._sha256):
            self._bitmap.add(range(self._chunks.count))
        self._owes_ack = True

    def _offered_files(self) -> None:
        known = self._store.known(self._sha256)
        if known is None:
            self._happened("unknown files")
            self._store.release()
            self._answer(Gone(self._tag))
            return
        contents, self._bitmap = known
        self._chunks = contents.chunks()
        self._happened("Offer of files")
        self._owes_ack = True

    def _keep(self, first: int, payload: bytes) -> None:
        count = self._chunks.covered(first, len(payload))
        new = [chunk for chunk in range(first, first + count) if chunk not in self._bitmap]
        if not new:
            return
        file, offset = self._chunks.place(first)
        if self.state == "listing":
            self._listed[offset : offset + len(payload)] = payload
            self._bitmap.add(new)
            if self._bitmap.complete:
                self._listed_all()
            return
        self._store.write(file, offset, payload)
        self._bitmap.add(new)
        self._store.arrived(self._bitmap)

    def _listed_all(self) -> None:
        if hashlib.sha256(self._listed).digest() != self._sha256:
            self._bitmap = Bitmap(self._chunks.count)  # what CRC-32 missed: all of it once more
            self._happened("a hash differs")
            self._store.release()
            self._owes_ack = False
            self._answer(Gone(self._tag))
            return
        listed = bytes(self._listed)
        self._store.begin(listed, contents_.decode(listed))

    def _finish(self) -> None:
        if self.state == "finishing":
            self._answer(Working(self._tag, self._doing))
        elif self.state == "filling" and self._bitmap.complete:
            self._happened("Finish")
            self._doing = b""
            self._store.finish()
            self._answer(Working(self._tag, self._doing))
        else:
            self._answer(Gone(self._tag))

    def _look(self) -> None:
        """At what the store is doing."""
        found = self._store.finishing()
        if isinstance(found, str):
            self._doing = found.encode()
        elif isinstance(found, Said):
            self._end(found)
            self._happened("installed or not")
        else:
            for file in found:
                self._bitmap.discard(self._chunks.of_file(file))
            self._store.arrived(self._bitmap)
            self._store.release()
            self._happened("a hash differs")

    def _refuse(self, error: GodwitError) -> None:
        self._owes_ack = False
        if self._happened("refused"):
            self._end(Said(error.exit_code, "", "".join(f"error: {line}\n" for line in str(error).splitlines())))

    def _end(self, ended: Said) -> None:
        self.outcome = ended
        self._answer(ended.message(self._tag))

    def _happened(self, what: str) -> bool:
        state = states.DEVICE.get((self.state, what))
        self.state = state or self.state
        return state is not None

    def _answer(self, message: Message) -> None:
        if not self._answers:
            self._answers.append(END)  # ends any noise before it
        if len(self._answers) < _MOST_ANSWERS:  # more wait only where nobody listens, and all can be asked again
            self._answers.append(frame(message))
