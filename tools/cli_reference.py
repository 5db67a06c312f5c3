"""Generate docs/cli.md from `--help` of both commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator

import click

from edge_agent.cli import parser as agent_parser
from firmware_profiles.errors import guarded
from godwit.cli import main as godwit
from tools import generated

_COLUMNS = 100
_HEAD = """# The commands

Generated from `--help` by `make docs`: do not edit.

Exit codes of both: 0 done, 1 another error, 2 a file or an argument is not what it must be, 3 nothing
meets the goal, 4 something outside is missing (a package, a program, a broker), 5 a model was refused,
6 an update is not trusted, 130 interrupted.
Errors are one line each on stderr: `error: WHERE: expected …, found …; NEXT STEP`.
"""


def _of_click(command: click.Command, parent: click.Context | None, name: str) -> Iterator[tuple[str, str]]:
    """(command line, help) of a command and everything below it."""
    context = command.make_context(name, [], parent, resilient_parsing=True, terminal_width=_COLUMNS)
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from _of_click(below, context, word)


def _of_argparse(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    yield parser.prog, parser.format_help()
    for action in parser._actions:  # argparse has no public way to its subcommands
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _of_argparse(below)


def text() -> str:
    """The whole document."""
    os.environ["COLUMNS"] = str(_COLUMNS)  # argparse asks the terminal otherwise
    pages = [*_of_click(godwit, None, "godwit"), *_of_argparse(agent_parser())]
    return _HEAD + "".join(f"\n## `{name}`\n\n```text\n{help_.strip()}\n```\n" for name, help_ in pages)


def main() -> int:
    """Write or check the document."""
    return generated.deliver("cli.md", text())


if __name__ == "__main__":
    sys.exit(guarded(main))
