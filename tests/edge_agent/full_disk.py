"""A spool on a disk of 1 MB that is filled to the last byte; run where mounting is allowed.

Prints a line for each thing that held.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from edge_agent import clock
from edge_agent.link.reserve import free_bytes
from edge_agent.link.spool import open_spool
from tests.edge_agent.spools import LARGE, crash, numbers, put_many, waiting


def fill(folder: Path) -> None:
    """Leave nothing."""
    with (folder / "others").open("ab") as stream:
        try:
            while True:
                os.write(stream.fileno(), bytes(4096))
        except OSError:
            assert free_bytes(folder) == 0


def main() -> None:
    """See above."""
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
    spool = open_spool(folder / "s.db", LARGE)
    put_many(spool, "event", 5)
    fill(folder)
    for _ in range(20):
        put_many(spool, "prediction", 300)
        fill(folder)
    assert spool.disk_full
    kept = numbers(spool)
    assert kept[-1] == 6000
    assert len(kept) > 100
    assert numbers(spool, "event") == [1, 2, 3, 4, 5]
    print("works on")
    for message in waiting(spool):
        spool.acknowledge(message.id)
    put_many(spool, "prediction", 50)
    assert numbers(spool) == list(range(6001, 6051))
    crash(spool)
    again = open_spool(folder / "s.db", LARGE)
    put_many(again, "prediction", 2950)
    assert numbers(again)[-1] == 9000
    print("after a crash too")
    (folder / "others").unlink()
    later_ms = clock.uptime_ms() + 100_000
    clock.uptime_ms = lambda: later_ms
    put_many(again, "prediction", 1)
    assert not again.disk_full
    print("gives room back")


if __name__ == "__main__":
    main()
