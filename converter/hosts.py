"""Where `edge-agent` runs: a machine and an environment on it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from converter import lent, toolchain
from converter.candidate import HERE
from converter.processes import Finished, Processes
from converter.progress import Progress

LIMIT_S = 1800.0


class Host(Protocol):
    """A machine that runs `edge-agent`.

    Attributes:
        name: of the machine.
        limit_s: of one command.
    """

    name: str
    limit_s: float

    def run(self, command: str, arguments: Sequence[object]) -> Finished:
        """Run one command with --json; arguments that are paths are files here."""
        ...


class Here:
    """The machine that converts, in this environment."""

    name = HERE
    limit_s = LIMIT_S

    def __init__(self, processes: Processes) -> None:
        self._processes = processes

    def run(self, command: str, arguments: Sequence[object]) -> Finished:
        """See `Host.run`."""
        return self._processes.run(_line(sys.executable, command, arguments), self.limit_s)


class InToolchain:
    """The machine that converts, in the environment of a toolchain, which is made on first use."""

    name = HERE
    limit_s = LIMIT_S

    def __init__(self, toolchain_name: str, processes: Processes, folder: Path, progress: Progress) -> None:
        """Args: `folder` for our own code, which is lent to it."""
        self._toolchain = toolchain_name
        self._processes = processes
        self._folder = folder
        self._progress = progress

    def run(self, command: str, arguments: Sequence[object]) -> Finished:
        """See `Host.run`.

        Raises:
            UnavailableError: the toolchain cannot be made.
        """
        python = toolchain.prepare(self._toolchain, self._progress)
        line = _line(str(python), command, arguments)
        return self._processes.run(line, self.limit_s, lent.variables(self._folder))


def _line(python: str, command: str, arguments: Sequence[object]) -> list[str]:
    return [python, "-m", "edge_agent", command, *map(str, arguments), "--json"]
