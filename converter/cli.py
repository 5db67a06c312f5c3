"""`godwit convert`, `init`, `inspect` and `verify`: parse, call one function, print."""

from __future__ import annotations

from pathlib import Path

import click

_JSON_HELP = "Print one JSON document."


@click.command()
@click.argument("project", type=click.Path(path_type=Path), default=Path())
@click.option("--target", "targets", multiple=True, metavar="P", help="Profile, instead of the project's; repeatable.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Default: build/godwit beside the project.")
@click.option("--max-drop", type=click.FloatRange(0, 100), metavar="PTS", help="Largest loss of accuracy, in points.")
@click.option("--recipe", metavar="NAME", help="Try this one only.")
@click.option("--measure-on", metavar="URL", help="Device that decides: ssh://user@host[:port][?agent=/path].")
@click.option("--jobs", type=click.IntRange(1, 64), default=2, show_default=True, help="Candidates tried at once.")
@click.option("--dask", metavar="URL", help="Dask cluster that tries them: tcp://host:port. Latency is measured here.")
@click.option(
    "--budget", metavar="TIME", default="15m", show_default=True, help="For recipes that train: 90s, 20m, 2h."
)
@click.option("--no-cache", is_flag=True, help="Neither use nor keep what earlier conversions found out.")
@click.option("--dry-run", is_flag=True, help="Print the plan and do nothing.")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def convert(
    project: Path,
    targets: tuple[str, ...],
    out: Path | None,
    max_drop: float | None,
    recipe: str | None,
    measure_on: str | None,
    jobs: int,
    dask: str | None,
    budget: str,
    no_cache: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Turn a trained model into one proven bundle a device.

    PROJECT is a godwit.toml or the folder of one (default: here).

    \b
    godwit convert
    godwit convert examples/digits --target raspberry-pi-5 --max-drop 0.5
    godwit convert --recipe channels50+distil+qat-int8 --budget 20m
    godwit convert --dask tcp://10.0.0.5:8786
    godwit convert --target raspberry-pi-5 --measure-on ssh://pi@raspberrypi.local
    """
    from converter import cache, disk, durations, outcome, pipeline, plan, report, table
    from converter import project as projects
    from converter.device import url
    from converter.progress import Progress

    device = url.parse(measure_on, "--measure-on") if measure_on else None
    loaded = projects.load(project, targets, max_drop)
    planned = plan.make(loaded, recipe, durations.seconds(budget, "--budget"))
    if dry_run:
        click.echo("\n".join(plan.describe(loaded, planned, device.at.host if device else "")))
        return
    folder = out or loaded.path.parent / "build" / "godwit"
    results = cache.Cache(None if no_cache else cache.default_folder())
    with disk.told():
        try:
            result = pipeline.convert(loaded, planned, folder, jobs, Progress(), results, device, dask)
        finally:
            results.trim()
        paths = outcome.write(result, folder)
    if as_json:
        click.echo(report.encode(result).decode(), nl=False)
    else:
        table.show(result)
        click.echo("\n".join(str(path) for path in paths))
    outcome.check(result, paths)


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="D", help=".npz, .csv or image folder.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("godwit.toml"), show_default=True)
def init(model: Path, data: Path, output: Path) -> None:
    """Write a first godwit.toml for a trained model.

    \b
    godwit init model.keras --data evaluation.npz
    """
    from converter import starter

    starter.write(model, data, output)
    click.echo(f"{output}: written; read it through, then: godwit convert {output}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--layers", "of_layers", is_flag=True, help="The signal-to-noise of each layer against float.")
@click.option("--json", "as_json", is_flag=True, help=_JSON_HELP)
def inspect(bundle: Path, of_layers: bool, as_json: bool) -> None:
    """Show what a bundle holds.

    \b
    godwit inspect digits-1.0.0-raspberry-pi-5.godwit
    godwit inspect digits-1.0.0-raspberry-pi-5.godwit --layers
    """
    from converter import inspection, layers

    shown = layers if of_layers else inspection
    click.echo(shown.as_json(bundle) if as_json else shown.as_text(bundle), nl=False)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
def verify(bundle: Path) -> None:
    """Check that a bundle is whole and unchanged, and that its model gives its golden answers here.

    \b
    godwit verify digits-1.0.0-linux-x86_64.godwit
    """
    from converter import inspection

    click.echo(inspection.verify(bundle))


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--name", required=True, metavar="NAME", help="Of the deployment.")
@click.option("--version", required=True, metavar="V", help="Of the deployment.")
@click.option("--link", "links", multiple=True, metavar="A:B[:output]", help="A's crops (or output) are B's input.")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), metavar="DIR", help="Default: this folder.")
def join(bundles: tuple[Path, ...], name: str, version: str, links: tuple[str, ...], out: Path) -> None:
    """Put several bundles for one device into one: models that run side by side, or feed each other.

    \b
    godwit join faces-1.0-linux-x86_64.godwit moods-2.1-linux-x86_64.godwit \\
        --name doorbell --version 1.0 --link faces:moods
    """
    from converter import joining

    click.echo(joining.join(bundles, name, version, [joining.parse_link(text) for text in links], out))
