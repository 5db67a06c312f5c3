"""Coverage-guided fuzzing of what a serial line can carry: `python -m tests.fuzz.serial_frames -runs=1000000`.

The first byte chooses the format, the second how the rest is cut into reads. Whatever comes in, there
are rows of finite numbers of the declared width or losses, windows are whole, and memory is bounded.
libFuzzer's other options work too: -max_total_time=60, -max_len=4096, a folder for its corpus.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["edge_agent.flow"]):
    import numpy as np

    from edge_agent.flow.framing import framer
    from edge_agent.flow.windows import Windows
    from edge_agent.format_config import Binary, Csv, Json, StreamFormat, Window
    from firmware_profiles.errors import InputError

FORMATS: list[tuple[StreamFormat, int]] = [
    (Csv(3), 3),
    (Csv(2, " "), 2),
    (Json(), 0),
    (Json(["a", "b"]), 2),
    (Binary(["int16", "float32"], sync="aa55", checksum="crc16"), 2),
    (Binary(["uint8", "float64"], checksum="crc32", byte_order="big"), 2),
    (Binary(["uint32", "int8"], sync="ff", checksum="sum8"), 2),
    (Binary(["float32"], sync="7e7e"), 1),
]
KEPT_BYTES = (1 << 16) + 4096


def fuzz(data: bytes) -> None:
    """One case."""
    if len(data) < 2:
        return
    layout, channels = FORMATS[data[0] % len(FORMATS)]
    size, body = data[1] or 256, data[2:]
    cutter, windows = framer(layout, joins_midway=bool(data[0] & 0x80)), Windows(Window(3, 2))
    for at in range(0, len(body), size):
        for piece in cutter.feed(body[at : at + size]):
            if isinstance(piece, InputError):
                assert str(piece)
                windows.gap()
                continue
            assert piece.ndim == 2
            assert channels in (0, piece.shape[1])
            assert np.isfinite(piece).all()
            try:
                assert all(window.shape == (3, piece.shape[1]) for window in windows.push(piece))
            except InputError:
                windows.gap()
    assert all(len(kept) < KEPT_BYTES for kept in vars(cutter).values() if isinstance(kept, bytearray))


if __name__ == "__main__":
    atheris.Setup(sys.argv, fuzz)
    atheris.Fuzz()
