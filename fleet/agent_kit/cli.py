"""`godwit kit`: gather the agent for a device that has no network."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import click
import msgspec

from firmware_profiles import profile
from firmware_profiles.errors import Problem, UnavailableError

_LARGEST = 4


@click.command()
@click.option("--profile", "name", required=True, metavar="P", help="A profile's name, or the path of your own.")
@click.option("--python", metavar="V", help="The device's Python, such as 3.13; the profile's by default.")
@click.option("--wheels", type=click.Path(path_type=Path), metavar="DIR", help="Vendors' wheels; they come first.")
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where the kit goes; dist/ by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def kit(name: str, python: str | None, wheels: Path | None, out: Path | None, as_json: bool) -> None:
    """Gather the wheels that the agent needs on a device, for its Python, architecture and glibc.

    \b
    godwit kit --profile raspberry-pi-5
    godwit kit --profile raspberry-pi-5 --python 3.13
    godwit kit --profile jetson-orin-nano --wheels vendor/
    """
    from fleet import agent_code
    from fleet.agent_kit import gather, userland, wanted

    device = profile.load(name)
    there = userland.of(device, python)
    want = wanted.want(device.runtimes, there, wanted.vendor_wheels(wheels, there))
    folder = gather.gather(want, there, device.os.packages, lambda text: click.echo(text, err=True))
    made = gather.read(folder)
    place = out or Path("dist") / f"agent-{made.version}-{made.tag}-{made.arch}"
    _place(folder, place)
    code = agent_code.build(folder, made.tag, made.arch, place)
    if as_json:
        whole = msgspec.structs.asdict(made) | {"folder": str(place), "code": str(code), "size_bytes": made.size_bytes}
        click.echo(msgspec.json.format(msgspec.json.encode(whole), indent=2).decode())
        return
    largest = sorted(made.wheels.items(), key=lambda each: -each[1])[:_LARGEST]
    told = ", ".join(f"{wheel.split('-')[0]} {size / 1e6:.1f}" for wheel, size in largest)
    click.echo(f"{place}: {len(made.wheels)} wheels, {made.size_bytes / 1e6:.1f} MB ({told} MB)")
    click.echo(f"{code}: the same as one file, for godwit repo add ({code.stat().st_size / 1e6:.1f} MB)")
    for package in made.system_packages:
        click.echo(f"the device also needs its own system's package {package}")
    for caution in made.cautions:
        click.echo(f"caution: {caution}")


def _place(folder: Path, place: Path) -> None:
    """Copy beside the place, then rename: the kit is there whole or not at all."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
        try:
            shutil.copytree(folder, making / "kit")
            shutil.rmtree(place, ignore_errors=True)
            os.replace(making / "kit", place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
    except OSError as error:
        found = (error.strerror or str(error)).lower()
        raise UnavailableError(Problem(str(place), "a folder to write to", found, "choose another --out")) from None
