"""`godwit repo status` and `serve`: parse, call one function, print."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from fleet.repository import options


@click.command()
@options.at_repo
@options.as_json
def status(folder: Path, as_json: bool) -> None:
    """Show who signs what, until when, and what devices get.

    \b
    godwit repo status --repo updates
    """
    from fleet.repository import places
    from fleet.repository import status as looking

    found = looking.of(places.existing(folder))
    click.echo(msgspec.json.encode(found) if as_json else looking.as_text(found))


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8080, metavar="N", help="Default: 8080; 0 for any.")
@options.at_repo
@options.as_json
def serve(port: int, folder: Path, as_json: bool) -> None:
    """Serve the published folder on this machine until Ctrl-C; for development only.

    \b
    godwit repo serve --repo updates
    """
    from fleet.repository import places, serving

    found = places.existing(folder)

    def begun(url: str) -> None:
        text = f"serving {found.public} at {url}, for development only"
        click.echo(msgspec.json.encode({"url": url}).decode() if as_json else text)

    serving.serve(found, port, begun)
