"""Files over a serial line: what both ends share, without I/O (docs/serial.md).

Standard library only: a bare device runs it from a zipapp.
"""

DEFAULT_BAUD = 115_200
LEAST_BAUD, MOST_BAUD = 9_600, 12_000_000
