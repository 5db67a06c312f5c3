"""What the storm does to the agent's disk and clock, from outside: see faults.c, and libfaketime."""

from __future__ import annotations

import mmap
import os
import struct
import subprocess
import time
from pathlib import Path

from tools import unpacked

_SOURCE = Path(__file__).with_name("faults.c")
_NUMBERS = struct.Struct("5i")
_SETTLES_S = 0.05


class Faults:
    """Of one agent; its files are in `folder`.

    Attributes:
        environment: as arguments of env(1), for the agent.
    """

    def __init__(self, folder: Path) -> None:
        library = folder / "faults.so"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, _SOURCE, "-ldl"], check=True)
        control = folder / "faults"
        control.write_bytes(bytes(_NUMBERS.size))
        with control.open("r+b") as stream:
            self._control = mmap.mmap(stream.fileno(), _NUMBERS.size)
        self._clock = folder / "clock"
        self.set_clock(0)
        faketime = unpacked.library("libfaketime", "libfaketimeMT.so.1")
        self.environment = [
            f"LD_PRELOAD={library}:{faketime}",
            f"GODWIT_FAULTS={control}",
            f"FAKETIME_TIMESTAMP_FILE={self._clock}",
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
        ]

    def fail(self, pid: int, error: int, skip: int, count: int) -> None:
        """Let `count` writes or syncs of the spool fail after `skip` more that succeed."""
        self._set(0, pid, error, skip, count)

    def stop(self) -> None:
        """Let none fail any more."""
        self._set(0, 0, 0, 0, 0)

    @property
    def pending(self) -> bool:
        """Whether some have yet to fail."""
        return bool(_NUMBERS.unpack_from(self._control)[3])

    def set_clock(self, days: int) -> None:
        """So many days off, and then not to be trusted."""
        if days:
            self._set(4, 1)
            time.sleep(_SETTLES_S)
        temporary = self._clock.with_suffix(".tmp")
        temporary.write_text(f"{days:+d}d\n", encoding="ascii")
        os.replace(temporary, self._clock)
        if not days:
            time.sleep(_SETTLES_S)
            self._set(4, 0)

    def _set(self, index: int, *numbers: int) -> None:
        struct.pack_into(f"{len(numbers)}i", self._control, 4 * index, *numbers)
