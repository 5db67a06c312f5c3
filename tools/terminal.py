"""What a demonstration prints: numbered steps, the commands as a person would type them, remarks."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from firmware_profiles.errors import GodwitError, Problem
from tools import processes

ROOT = Path(__file__).parent.parent

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(number: int, title: str) -> Iterator[None]:
    """A heading, and how long it took what stands below it."""
    console.print(f"\n[bold green]{number}[/bold green] [bold]{title}[/bold]")
    started = time.monotonic()
    yield
    say(f"{time.monotonic() - started:.1f} s")


def say(text: str) -> None:
    """A remark."""
    console.print(f"  [dim]{text}[/dim]")


def show(argv: Sequence[str | Path]) -> None:
    """A command, with paths relative to the repository's root."""
    words = [Path(argv[0]).name, *(str(word).removeprefix(f"{ROOT}/") for word in argv[1:])]
    console.print(f"  [dim]$[/dim] [cyan]{shlex.join(words)}[/cyan]")


def run(argv: Sequence[str | Path], log: Path | None = None) -> None:
    """Show a command and run it to its end; its stderr goes to `log` where one is given.

    Raises:
        GodwitError: it failed.
    """
    show(argv)
    if log is None:
        status = processes.run(argv)
    else:
        with log.open("wb") as stream:
            status = processes.run(argv, stderr=stream)
    if status != 0:
        step = f"read {log}" if log else "its own message is above"
        raise GodwitError(Problem(Path(argv[0]).name, "exit status 0", str(status), step))
