"""`python -m bench.spool`: what the spool costs, beside bare SQLite on the same disk, in the same run.

CPU of this process, so that a busy machine and a slow disk show in neither.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from edge_agent import clock, config
from edge_agent.link.outgoing import Waiting
from edge_agent.link.spool import open_spool
from firmware_profiles import results, wire
from firmware_profiles.results import ClassScore, Input

MESSAGES = 10_000
GROUP = 100
REPEATS = 5


def message(spool_id: str) -> wire.Prediction:
    """A prediction as the agent makes it."""
    return wire.Prediction(
        seq=1,
        spool=spool_id,
        **clock.moment()._asdict(),
        model="resnet8",
        version="1.0",
        input=Input("camera", 1),
        latency_ms=0.123,
        result=results.Classification([ClassScore(index, f"class-{index}", 0.3) for index in range(3)]),
    )


def bare(folder: Path) -> dict[str, float]:
    """SQLite by hand: rows by executemany, 100 a transaction; read in one go; deleted by ranges. µs a row."""
    connection = sqlite3.connect(folder / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE m (id INTEGER PRIMARY KEY, topic TEXT, payload BLOB)")
    payload = wire.encode(message("0123abcd"))

    def put() -> None:
        for first in range(0, MESSAGES, GROUP):
            connection.execute("BEGIN IMMEDIATE")
            rows = [(number, "godwit/d/prediction/resnet8", payload) for number in range(first, first + GROUP)]
            connection.executemany("INSERT INTO m VALUES (?, ?, ?)", rows)
            connection.execute("COMMIT")

    def read() -> None:
        connection.execute("SELECT id, topic, payload FROM m ORDER BY id").fetchall()

    def delete() -> None:
        for first in range(0, MESSAGES, GROUP):
            connection.execute("DELETE FROM m WHERE id BETWEEN ? AND ?", (first, first + GROUP - 1))

    return {"put": each_us(put), "read": each_us(read), "delete": each_us(delete)}


def ours(folder: Path) -> dict[str, float]:
    """The spool, as the outbox uses it. µs a message; `encode` is what of `put` is JSON."""
    spool = open_spool(folder / "ours.db", config.Spool())
    found: list[Waiting] = []
    sample = message(spool.id)

    def put() -> None:
        for number in range(MESSAGES):
            spool.put("prediction", "godwit/d/prediction/resnet8", lambda _: sample)
            spool.answered(Input("camera", number))
            if spool.uncommitted == GROUP:
                spool.commit()

    def read() -> None:
        while batch := spool.waiting():
            found.extend(batch)

    def delete() -> None:
        for index, waiting in enumerate(found, 1):
            spool.acknowledge(waiting.id)
            if index % GROUP == 0:
                spool.commit()

    def encode() -> None:
        for _ in range(MESSAGES):
            wire.encode(sample)

    costs = {"put": each_us(put), "read": each_us(read), "delete": each_us(delete), "encode": each_us(encode)}
    assert len(found) == MESSAGES
    assert spool.messages == 0
    return costs


def each_us(job: Callable[[], None]) -> float:
    """Microseconds for each of the messages."""
    started_s = time.process_time()
    job()
    return (time.process_time() - started_s) / MESSAGES * 1e6


def main() -> None:
    """Measure in turn, print medians."""
    runs: list[tuple[dict[str, float], dict[str, float]]] = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as name:
            runs.append((bare(Path(name)), ours(Path(name))))
    print("µs of CPU, in groups of 100         bare SQLite    spool    ratio")
    for name in ("put", "read", "delete", "encode"):
        theirs, spools = (median(run[index].get(name, 0.0) for run in runs) for index in (0, 1))
        print(f"{name:34} {theirs:11.1f} {spools:8.1f} {spools / theirs if theirs else 0:8.2f}")


if __name__ == "__main__":
    main()
