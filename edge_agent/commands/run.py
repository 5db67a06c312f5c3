"""`edge-agent run`: the device's service."""

from __future__ import annotations

import argparse

from edge_agent.layout import existing
from edge_agent.spawning import spawn
from firmware_profiles.errors import Problem, UnavailableError


def main(arguments: argparse.Namespace) -> int:
    """Run the active deployment until SIGTERM or SIGINT; once the agent's own code is replaced, run that."""
    root = existing(arguments.root)
    lock = root.lock()
    if lock is None:
        step = "stop it first, or give another root"
        raise UnavailableError(Problem(str(arguments.root), "a root that no agent uses", "a running agent", step))
    with lock:
        spawned = spawn()  # first of all: it loads numpy while we load the rest, each on a core of its own
        import asyncio
        import logging
        import sqlite3

        from edge_agent import launched
        from edge_agent.supervisor import wire_up

        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
        try:
            replaced = asyncio.run(wire_up(root, spawned, arguments.listen).run())
        except sqlite3.Error as error:
            step = "check the disk; what was committed is safe, and is sent after the next start"
            raise UnavailableError(Problem(str(root.spool), "a disk to write to", str(error), step)) from None
        finally:
            spawned.stream.close()
    if replaced:
        launched.again(root)
    return 0
