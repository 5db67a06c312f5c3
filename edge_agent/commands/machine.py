"""`edge-agent machine`: what this machine is, as evidence names it."""

from __future__ import annotations

import argparse

import msgspec

from edge_agent.monitor import machine


def main(arguments: argparse.Namespace) -> int:
    """Print a `Machine`, as JSON or for people."""
    found = machine.describe()
    if arguments.json:
        print(msgspec.json.encode(found).decode())
        return 0
    print(f"{found.board or 'no device tree'}: {found.cpu}, {found.cores} cores, {found.arch}")
    print(f"{found.system}, Python {found.python}")
    return 0
