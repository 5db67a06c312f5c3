"""`make soak`: the reliability storm."""

from __future__ import annotations

import argparse
import time

from tests.soak.storm import storm


def main() -> None:
    """Run it and print what was seen; the last line is the result."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    started_s = time.monotonic()
    outcome = storm(arguments.cycles, arguments.seed, lambda text: print(text, flush=True))
    verdict, (before_mb, after_mb) = outcome.verdict, outcome.rss_mb
    print(f"seed {arguments.seed}, {time.monotonic() - started_s:.0f} s; faults {outcome.faults}")
    print(f"{outcome.inputs} inputs, {outcome.starts} starts of the agent; events {outcome.events}")
    print(f"inputs answered twice {verdict.answered_twice}, wrong times {verdict.wrong_times}")
    print(f"resident memory of the supervisor {before_mb:.1f} MB before, {after_mb:.1f} MB after")
    print(
        f"{outcome.cycles} cycles, {verdict.lost} lost, order broken {verdict.broken}, duplicates {verdict.duplicates}"
    )


if __name__ == "__main__":
    main()
