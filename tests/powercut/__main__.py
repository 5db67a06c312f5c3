"""`python -m tests.powercut`: cuts power everywhere in an update, and says how many devices that bricked.

It goes on where it was stopped, as long as the sources are the same: build/powercut/results.txt has a line a cut.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.powercut import material, paths
from tests.powercut.cuts import Bench, Cut, Recorded, plan, some, with_real
from tests.powercut.judge import BrickedError

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build" / "powercut"
RESULTS = FOLDER / "results.txt"
_SOURCES = ("edge_agent", "firmware_profiles", "tests/powercut", "tests/edge_agent/ota")


def main() -> int:
    """Make all cuts that were not made yet; exit code 1 if any bricked."""
    parser = argparse.ArgumentParser(prog="python -m tests.powercut")
    parser.add_argument("--cuts", type=int, default=0, metavar="N", help="stop when so many are made (default: all)")
    most = parser.parse_args().cuts
    done = _done()
    with material.room() as folder:
        light, heavy = material.make(folder / "light"), material.make(folder / "heavy", real=True)
        bench = Bench(light, folder / "record")
        recorded = [bench.record(way) for way in paths.every()]
        cuts = list(plan(recorded))
        left = [cut for cut in with_real(some(cuts, most or len(cuts))) if cut.name not in done]
        print(f"{len(recorded)} ways through the table, {len(cuts)} cuts, {len(left)} to be made", flush=True)
        benches = [
            (Bench(light, folder / str(number)), Bench(heavy, folder / f"real-{number}")) for number in range(_JOBS)
        ]
        workers = [_fork(left[number::_JOBS], recorded, *benches[number]) for number in range(_JOBS)]
        _wait(workers, len(left))
    lines = RESULTS.read_text(encoding="utf-8").splitlines()[1:]
    bricked = [line for line in lines if not line.endswith(" ok")]
    for line in bricked:
        print(line)
    print(f"{len(lines)} cuts, {len(bricked)} bricked")
    return 1 if bricked else 0


_JOBS = os.cpu_count() or 1


def _fork(cuts: Sequence[Cut], recorded: Sequence[Recorded], light: Bench, heavy: Bench) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        real: dict[int, Recorded] = {}
        for cut in cuts:
            if not cut.real:
                _make(cut.name, cut, recorded[cut.way], light)
                continue
            if cut.way not in real:
                real[cut.way] = heavy.record(recorded[cut.way].way, real=True)
            as_far = cut.change * len(real[cut.way].changes) // len(recorded[cut.way].changes)
            _make(cut.name, cut._replace(change=as_far), real[cut.way], heavy)
        code = 0
    except KeyboardInterrupt:
        code = 130
    finally:
        os._exit(code)


def _make(name: str, cut: Cut, recorded: Recorded, bench: Bench) -> None:
    try:
        bench.make(cut, recorded)
        said = "ok"
    except BrickedError as error:
        said = f"BRICKED at {recorded.at(cut.change).point} of {recorded.way.name}: {error}"
        shutil.copytree(bench.left, FOLDER / "bricked" / name, symlinks=True, dirs_exist_ok=True)
    with RESULTS.open("a", encoding="utf-8") as stream:
        stream.write(f"{name} {said}\n")


def _wait(workers: list[int], cuts: int) -> None:
    """Tell every minute how far it is."""
    began_s = told_s = time.monotonic()
    before = len(RESULTS.read_text(encoding="utf-8").splitlines())
    while workers:
        workers = [pid for pid in workers if os.waitpid(pid, os.WNOHANG) == (0, 0)]
        time.sleep(0.2)
        if time.monotonic() - told_s > 60:
            told_s = time.monotonic()
            made = len(RESULTS.read_text(encoding="utf-8").splitlines()) - before
            print(f"{made} of {cuts} in {told_s - began_s:.0f} s", flush=True)


def _done() -> set[str]:
    """Names of the cuts that were made with these very sources; the list begins anew where they changed."""
    digest = hashlib.sha256()
    for folder in _SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    FOLDER.mkdir(parents=True, exist_ok=True)
    if RESULTS.exists():
        first, *lines = RESULTS.read_text(encoding="utf-8").splitlines()
        if first == digest.hexdigest():
            return {line.partition(" ")[0] for line in lines}
    shutil.rmtree(FOLDER / "bricked", ignore_errors=True)
    RESULTS.write_text(digest.hexdigest() + "\n", encoding="utf-8")
    return set()


if __name__ == "__main__":
    sys.exit(main())
