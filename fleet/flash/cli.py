"""`godwit flash`: parse, plan, act, print."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from firmware_profiles.errors import GodwitError, InputError, Problem

if TYPE_CHECKING:
    from firmware_profiles.installation import Installed
    from fleet.flash.certifier import Certifier
    from fleet.flash.flashing import Say
    from fleet.flash.plan import Plan
    from fleet.flash.sources import Source
    from fleet.flash.target import Target

_FILE = click.Path(path_type=Path)
_SAY_EVERY_S = 2.0


@click.command()
@click.argument("what", type=_FILE, metavar="BUNDLE|REPO|KIT")
@click.argument("targets", nargs=-1, required=True, metavar="TARGET...")
@click.option("--device-id", metavar="ID", help="Name of the device in every topic; first installation only.")
@click.option("--broker", metavar="URL", help="mqtt[s]://[user:password@]host[:port]; first installation only.")
@click.option(
    "--password-file", type=_FILE, metavar="F", help="Holds one line: the password for ssh, a console and sudo."
)
@click.option("--wheels", type=_FILE, metavar="DIR", help="Vendors' wheels for the device, as in godwit kit.")
@click.option(
    "--ca",
    type=_FILE,
    envvar="GODWIT_CA",
    metavar="DIR",
    help="An authority (godwit ca): devices get a certificate of their own; or GODWIT_CA.",
)
@click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a target, each on a line.")
def flash(
    what: Path,
    targets: tuple[str, ...],
    device_id: str | None,
    broker: str | None,
    password_file: Path | None,
    wheels: Path | None,
    ca: Path | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Install a bundle on devices, bare ones too, several at once.

    What goes there is signed: by the repository that is named, or by one of your own that the first flash makes.

    \b
    ssh://user@host[:port]  over SSH: the agent comes along, as a service; ?root=DIR puts it elsewhere, without one
    serial:///dev/ttyUSB0   to edge-agent receive or a console there; ?baud=N&user=NAME&root=DIR
    dir:///PATH             a stick, where one is mounted, for any number of devices, of ?python=VERSION; else a device
                            root on this machine; ?as=stick and ?as=root decide
    image:///PATH           the image of an SD card or disk: it installs itself when it boots for the first time
    adb://SERIAL            a model for an app on an Android phone; ?package=com.example.app for that app alone

    \b
    godwit flash digits-1.0.0-raspberry-pi-5.godwit ssh://pi@raspberrypi.local --broker mqtt://192.168.1.2
    godwit flash digits-1.0.0-raspberry-pi-5.godwit ssh://pi@door-1 ssh://pi@door-2 --dry-run
    godwit flash digits-1.0.0-raspberry-pi-5.godwit ssh://pi@door-7 --broker mqtts://broker.lan --ca ~/ca
    godwit flash digits-1.0.0-linux-x86_64.godwit dir:///srv/device --device-id door-7
    """
    from fleet.flash import sources, target
    from fleet.flash.given import Given

    if password_file is not None and not password_file.is_file():
        raise InputError(Problem("--password-file", "a readable file", str(password_file), "check the path"))
    flags = [f"--device-id={device_id}"] * (device_id is not None) + [f"--broker={broker}"] * (broker is not None)
    certifier = _certifier(ca) if ca else None
    where = target.parse(targets, Given(flags, password_file, wheels, certifier))
    if device_id is not None and len(where) > 1:
        step = "flash one target at a time"
        raise InputError(Problem("--device-id", "one target for one name", f"{len(where)} targets", step))
    if certifier and (others := target.without_certificates(where)):
        click.echo(f"note: no certificate for {', '.join(others)}: no agent is there to ask for one", err=True)
    source = sources.read(what, wheels, lambda text: click.echo(text, err=True))
    failed = _flash(where, source, certifier, dry_run, as_json)
    if failed:
        raise type(failed[0])(*(problem for error in failed for problem in error.problems))


def _certifier(ca: Path) -> Certifier:
    from fleet.flash.certifier import Certifier

    return Certifier(ca)


def _flash(
    targets: list[Target], source: Source, certifier: Certifier | None, dry_run: bool, as_json: bool
) -> list[GodwitError]:
    """Everything that failed."""
    from fleet.flash import flashing

    with flashing.opened(targets) as (reached, failed):
        planned = []
        for target, plan in flashing.plan_each(reached, source):
            if isinstance(plan, GodwitError):
                failed.append(plan)
                continue
            planned.append((target, plan))
            _print_plan(plan.plan, dry_run, as_json)
        if certifier and not dry_run and any(plan.plan.signs for _, plan in planned):
            certifier.unlock()
        for target, done in flashing.act_each([] if dry_run else planned, source, _teller()):
            if isinstance(done, GodwitError):
                failed.append(done)
            else:
                _print_done(target, done, as_json)
    return failed


def _teller() -> Say:
    """Says what goes on, of each target at most every two seconds."""
    said: dict[str, float] = {}

    def say(target: str, text: str) -> None:
        if time.monotonic() - said.get(target, 0) >= _SAY_EVERY_S:
            said[target] = time.monotonic()
            click.echo(f"{target}: {text}", err=True)

    return say


def _print_plan(plan: Plan, dry_run: bool, as_json: bool) -> None:
    """On stdout where it is all that was asked for."""
    if as_json:
        if dry_run:
            click.echo(msgspec.json.encode(plan))
        return
    will = "would" if dry_run else "will"
    for step in [f"{will} {step}" for step in plan.steps] or ["everything is there"]:
        click.echo(f"{plan.target}: {step}", err=not dry_run)
    for remark in plan.remarks:
        click.echo(f"{plan.target}: note: {remark}", err=not dry_run)


def _print_done(target: Target, done: Installed, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode({"target": target.name} | msgspec.structs.asdict(done)))
        return
    state = target.becomes if done.changed else "was there already"
    device = f" (device {done.device})" if done.device else ""
    click.echo(f"{done.deployment} {done.version} {state} in {target.name}{device}")
