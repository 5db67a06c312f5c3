"""Which input a worker is at, in memory that outlives it: so that an input of which workers die is found out."""

from __future__ import annotations

import mmap
import os

import msgspec

from firmware_profiles.results import Input

_BYTES = 4096
_HEAD = 2


class Doing:
    """One side of it."""

    def __init__(self, descriptor: int) -> None:
        """Take the memory behind `descriptor`, which is closed."""
        os.ftruncate(descriptor, _BYTES)
        self._memory = mmap.mmap(descriptor, _BYTES)
        os.close(descriptor)
        self._encode = msgspec.msgpack.Encoder().encode

    def begin(self, which: Input) -> None:
        """The worker turns to an input; one whose name is too long to be told is not."""
        told = self._encode(which)
        if len(told) <= _BYTES - _HEAD:
            self._memory[_HEAD : _HEAD + len(told)] = told
            self._memory[:_HEAD] = len(told).to_bytes(_HEAD, "little")

    def end(self) -> None:
        """The worker is done with it."""
        self._memory[:_HEAD] = b"\0\0"

    def read(self) -> Input | None:
        """What the worker was at when it died; None if it was at nothing."""
        length = int.from_bytes(self._memory[:_HEAD], "little")
        if not 0 < length <= _BYTES - _HEAD:
            return None
        try:
            return msgspec.msgpack.decode(self._memory[_HEAD : _HEAD + length], type=Input)
        except msgspec.MsgspecError:  # whoever dies may scribble first
            return None
