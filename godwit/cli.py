"""The command `godwit`: one table of commands, each loaded only when it is used."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

from firmware_profiles import VERSION
from firmware_profiles.errors import Problem, UnavailableError, guarded
from godwit import usage


class Entry(NamedTuple):
    """One command: where its code is, and the extra whose packages it needs ("" for none)."""

    section: str
    name: str
    target: str
    help: str
    extra: str


COMMANDS = (
    Entry("Make", "init", "converter.cli:init", "Write a first godwit.toml for a model.", "convert"),
    Entry("Make", "convert", "converter.cli:convert", "Turn a model into one proven bundle a device.", "convert"),
    Entry("Make", "join", "converter.cli:join", "Put several bundles for one device into one.", ""),
    Entry("Make", "toolchain", "converter.toolchain_cli:toolchain", "Make the converters' environments ahead.", ""),
    Entry("Look", "inspect", "converter.cli:inspect", "Show what a bundle holds.", ""),
    Entry("Look", "verify", "converter.cli:verify", "Check that a bundle is whole and unchanged.", ""),
    Entry("Look", "profiles", "godwit.profiles_cli:profiles", "List device profiles, or show one.", ""),
    Entry("Look", "recipes", "converter.recipes_cli:recipes", "List what can be done to a model.", ""),
    Entry("Ship", "kit", "fleet.agent_kit.cli:kit", "Gather what a bare device needs to run the agent.", "fleet"),
    Entry("Ship", "flash", "fleet.flash.cli:flash", "Install a bundle on devices.", "fleet"),
    Entry("Ship", "ca", "fleet.authority_cli:ca", "Say which device is which: certificates for MQTT.", "fleet"),
    Entry("Ship", "repo", "fleet.repository.cli:repo", "Keep a signed repository of bundles.", "fleet"),
    Entry("Ship", "watch", "fleet.cli:watch", "Follow what devices say over MQTT.", "fleet"),
)
_BY_NAME = {entry.name: entry for entry in COMMANDS}
_EXAMPLES = (
    "godwit init model.keras --data evaluation.npz",
    "godwit convert --target raspberry-pi-5",
    "godwit flash dist/digits-1.0.0-linux-x86_64.godwit dir:///srv/device",
    "godwit watch --broker mqtt://localhost:1883",
)


class LazyGroup(usage.Group):
    """A group whose help comes from the table, so that it imports no command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_BY_NAME)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _BY_NAME:
            return None
        module, _, attribute = _BY_NAME[cmd_name].target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _BY_NAME))
        for section in dict.fromkeys(entry.section for entry in COMMANDS):
            rows = [(entry.name.ljust(width), entry.help) for entry in COMMANDS if entry.section == section]
            with formatter.section(section):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Examples"):
            for example in _EXAMPLES:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, "--version", message="godwit %(version)s")
def main() -> None:
    """Take a trained model to a device at the edge and keep it flying there."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run `godwit` with `arguments` (the process's own by default); return the exit code."""
    # `kill` ends a command as Ctrl-C does, so that its own processes end with it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    given = list(sys.argv[1:] if arguments is None else arguments)
    return guarded(lambda: _run(given or ["--help"]))


def _run(arguments: list[str]) -> int:
    try:
        return usage.invoke(main, "godwit", arguments)
    except ModuleNotFoundError as error:
        entry = _BY_NAME.get(arguments[0])
        if entry is None or not entry.extra or _is_ours(error.name or ""):
            raise
        step = f"pip install 'godwit[{entry.extra}]'"
        where = f"godwit {entry.name}"
        raise UnavailableError(Problem(where, f"the Python package {error.name}", "none", step)) from None


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] in {"converter", "edge_agent", "firmware_profiles", "fleet", "godwit"}
