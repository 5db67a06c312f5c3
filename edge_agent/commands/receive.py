"""`edge-agent receive`: what comes over a serial line is installed by `edge-agent install`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_agent import receiving
from edge_agent.layout import Root
from firmware_profiles.serial_link.contents import KIT, TRUST_ROOT, Contents
from firmware_profiles.serial_receiver import serving
from firmware_profiles.serial_receiver.staging import Staging


def main(arguments: argparse.Namespace) -> int:
    """Serve until told to stop, or with --once one transfer; then the exit code is its installation's."""
    root = Root(arguments.root.resolve())

    def install(files: Path, contents: Contents) -> list[str]:
        return [
            sys.executable,
            "-m",
            "edge_agent",
            "install",
            *flags(files, contents),
            "--root",
            str(root.folder),
            "--json",
        ]

    def facts() -> bytes:
        return receiving.facts(root)

    store = Staging(root.received, install)
    if arguments.serial:
        return receiving.serve_port(store, facts, arguments.serial, arguments.baud, arguments.once)
    return serving.serve_console(store, facts)


def flags(files: Path, contents: Contents) -> list[str]:
    """What `install` is told of a transfer whose files lie in `files`."""
    told = [f"--{name.replace('_', '-')}={value}" for name, value in contents.told().items()]
    if any(file.path == TRUST_ROOT for file in contents.files):
        told.append(f"--trust-root={files / TRUST_ROOT}")
    return [str(files / KIT), *told]
