"""The storm: one fault after the other over one running system, from a seed."""

from __future__ import annotations

import contextlib
import errno
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.edge_agent.support import wait_until
from tests.soak.system import AGENT, RATE, System, system
from tests.soak.witness import Verdict, Witness

_PATIENCE_S = 90.0
_LONGEST_CYCLE_S = 8
_DECK = (
    "broker", "broker", "cut out", "cut out", "cut in", "kill worker", "kill supervisor", "kill supervisor",
    "kill both", "clock", "no space", "disk error",
)  # fmt: skip
"""What happens in twelve cycles, shuffled. Three deaths of a worker in a row would give its runtime up, so one."""
_GENTLE = ("broker", "cut out", "cut out", "cut in", "clock", "no space once")
"""The last tenth leaves the supervisor alive, so that its memory can be compared."""


_DISK = {"no space once": (errno.ENOSPC, 1), "no space": (errno.ENOSPC, 4), "disk error": (errno.EIO, 2)}
"""What is told to the agent, and how often at most."""


class Outcome(NamedTuple):
    """Of a storm.

    Attributes:
        faults: how often each happened.
        rss_mb: of the supervisor, before and after.
        starts: of the agent.
    """

    cycles: int
    verdict: Verdict
    inputs: int
    faults: dict[str, int]
    events: dict[str, int]
    rss_mb: tuple[float, float]
    starts: int


def storm(cycles: int, seed: int, say: Callable[[str], None], command: tuple[str, ...] = (str(AGENT),)) -> Outcome:
    """Run it.

    Raises:
        AssertionError: the system did not come back after a fault.
    """
    chance = random.Random(seed)  # noqa: S311
    faults: dict[str, int] = {}
    items = RATE * (cycles * _LONGEST_CYCLE_S + 600)
    with (
        tempfile.TemporaryDirectory(prefix="godwit-storm-") as name,
        system(Path(name), items, list(command)) as (running, witness),
    ):
        _progress(witness, RATE)
        before_mb = running.rss_mb()
        for cycle, fault in enumerate(_faults(cycles, chance), 1):
            faults[fault] = faults.get(fault, 0) + 1
            running.put_file()
            _strike(running, fault, chance)
            _progress(witness, chance.randrange(5, 60))
            running.faults.stop()
            running.remove_files(witness)
            if cycle % 50 == 0:
                verdict = witness.verdict([])
                say(f"{cycle} cycles, {witness.last + 1} inputs, {running.rss_mb():.1f} MB, so far {verdict}")
        running.faults.set_clock(0)
        _progress(witness, RATE)
        after_mb = running.rss_mb()
        # Draining takes the sources away: what lies in the folder is to be answered before.
        files = running.emitted
        with contextlib.suppress(AssertionError):  # what is never answered is lost, and the verdict says so
            wait_until(lambda: all(witness.answered("files", name) for name in files), "answers", _PATIENCE_S)
        count = running.drain()
        emitted = [*(("replay", position) for position in range(count)), *(("files", name) for name in running.emitted)]
        _settled(witness)
        verdict = witness.verdict(emitted)
        return Outcome(cycles, verdict, len(emitted), faults, witness.events, (before_mb, after_mb), running.starts)


def _faults(cycles: int, chance: random.Random) -> Iterator[str]:
    deck: list[str] = []
    for cycle in range(cycles):
        gentle = cycle >= cycles - cycles // 10
        if not deck or (gentle and set(deck) - set(_GENTLE)):
            deck = list(_GENTLE if gentle else _DECK)
            chance.shuffle(deck)
        yield deck.pop()


def _strike(running: System, fault: str, chance: random.Random) -> None:
    if fault == "broker":
        running.broker.stop()
        time.sleep(chance.uniform(0, 0.6))
        running.broker.start()
    elif fault.startswith("cut"):
        running.proxy.cut(fault.partition(" ")[2])
    elif fault == "kill worker":
        running.kill(running.worker_pid())
    elif fault == "kill supervisor":
        running.kill(running.pid)
    elif fault == "kill both":
        running.kill(running.worker_pid(), running.pid)
    elif fault == "clock":
        running.faults.set_clock(chance.choice((0, 0, -20_000, -400, 400)))
    else:
        error, count = _DISK[fault]
        pid = running.pid
        running.faults.fail(pid, error, chance.randrange(10), chance.randrange(count) + 1)
        wait_until(lambda: not running.faults.pending or running.pid != pid, fault, _PATIENCE_S)


def _progress(witness: Witness, inputs: int) -> None:
    """Wait until so many more inputs were answered: the system has come back."""
    goal = witness.last + inputs
    wait_until(lambda: witness.last >= goal, f"input {goal}", _PATIENCE_S)


def _settled(witness: Witness) -> None:
    """The broker's last deliveries: nothing new for a second."""
    last = -1
    while last != (last := witness.arrivals):
        time.sleep(1)
