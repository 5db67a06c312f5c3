"""`godwit toolchain`: what there is, prepared ahead, removed."""

from __future__ import annotations

import click
import msgspec

from converter import toolchain as toolchains
from godwit import usage

_JSON_HELP = "Print one JSON document."


@click.group(cls=usage.Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
@click.pass_context
def toolchain(ctx: click.Context, as_json: bool) -> None:
    """List the pinned environments that some routes of `convert` need, or make them ahead.

    `convert` makes one when it first needs it; that takes a network and some gigabytes.

    \b
    godwit toolchain
    godwit toolchain prepare onnx2tf
    """
    if ctx.invoked_subcommand is None:
        _show(as_json)


@toolchain.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def prepare(names: tuple[str, ...], as_json: bool) -> None:
    """Make toolchains, unless they are there."""
    for name in names:
        toolchains.prepare(name, lambda text: click.echo(text, err=True))
    _show(as_json)


@toolchain.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def remove(names: tuple[str, ...], as_json: bool) -> None:
    """Remove toolchains from the disk."""
    for name in names:
        toolchains.remove(name)
    _show(as_json)


def _show(as_json: bool) -> None:
    states = toolchains.states()
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(states), indent=2).decode())
        return
    width = max(len(state.name) for state in states)
    for state in states:
        size = f"{state.size_bytes / 1e9:.1f} GB" if state.ready else "not made"
        click.echo(f"{state.name.ljust(width)}  {size:>8}  {state.purpose}")
