"""`godwit profiles`: list the device profiles, or show one."""

from __future__ import annotations

import click
import msgspec

from firmware_profiles import profile
from godwit import usage


@click.group(cls=usage.Group, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_context
def profiles(ctx: click.Context, as_json: bool) -> None:
    """List the device profiles that ship with Godwit.

    \b
    godwit profiles
    godwit profiles show raspberry-pi-5
    """
    if ctx.invoked_subcommand is not None:
        return
    known = [profile.load(name) for name in profile.names()]
    if as_json:
        _print_json(known)
        return
    rows = [("PROFILE", "ARCH", "AGENT", "DEVICE")]
    rows += [(each.name, each.hardware.arch, each.os.agent, each.title) for each in known]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@profiles.command()
@click.argument("name_or_path", metavar="NAME|PATH")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(name_or_path: str, as_json: bool) -> None:
    """Check a profile and print its file: one of ours by name, or your own by path."""
    checked = profile.load(name_or_path)
    if as_json:
        _print_json(checked)
    else:
        click.echo(profile.find(name_or_path).read_text(encoding="utf-8"), nl=False)


def _print_json(document: object) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
