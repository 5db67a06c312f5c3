"""What a UART hears from one of another speed: 8 data bits, no parity, one stop bit."""

from __future__ import annotations

_BITS = 10


def heard(sent: bytes, sent_baud: int, heard_baud: int) -> bytes:
    """The bytes that a receiver at `heard_baud` makes of `sent`, back to back on an idle line.

    It waits for a falling edge, then samples the middle of each bit. A stop bit that is none is an error of
    framing, which Linux gives as a zero (termios(3), PARMRK unset).
    """
    line = [level for byte in sent for level in (0, *(byte >> bit & 1 for bit in range(8)), 1)]
    step = sent_baud / heard_baud
    found = bytearray()
    at = 0.0
    while (edge := _falling(line, at)) is not None:
        sampled = [_level(line, edge + (bit + 0.5) * step) for bit in range(1, _BITS)]
        byte = sum(level << bit for bit, level in enumerate(sampled[:8]))
        found.append(byte if sampled[8] else 0)
        at = edge + (_BITS - 0.5) * step
        while not sampled[8] and at < len(line) and not _level(line, at):  # a break: until it is idle again
            at += step
    return bytes(found)


def _level(line: list[int], at: float) -> int:
    return line[int(at)] if at < len(line) else 1


def _falling(line: list[int], at: float) -> int | None:
    """Where the line next goes from idle to a start bit, in bits of the sender."""
    before = _level(line, at - 1) if at >= 1 else 1
    for index in range(int(at), len(line)):
        if before and not line[index]:
            return index
        before = line[index]
    return None
