"""`godwit watch`: parse, call one function, print."""

from __future__ import annotations

import re
from pathlib import Path

import click

from firmware_profiles import broker_access
from firmware_profiles.broker_access import Files
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import NAME_PATTERN

_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--broker", required=True, metavar="URL", help="mqtt[s]://[user:password@]host[:port]")
@click.option("--ca", metavar="PEM", type=_FILE, help="Who must have signed the broker's certificate.")
@click.option("--cert", metavar="PEM", type=_FILE, help="Certificate to show to the broker.")
@click.option("--key", metavar="PEM", type=_FILE, help="Its private key.")
@click.option("--password-file", metavar="F", type=_FILE, help="Holds one line, user:password.")
@click.option("--device", metavar="NAME", help="Only this device; every one by default.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N predictions, repeats not counted.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End after S seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def watch(
    broker: str,
    ca: Path | None,
    cert: Path | None,
    key: Path | None,
    password_file: Path | None,
    device: str | None,
    count: int | None,
    timeout: float | None,
    as_json: bool,
) -> None:
    """Follow what devices say over MQTT; gaps and repeats are marked.

    \b
    godwit watch --broker mqtt://localhost:1883
    godwit watch --broker mqtt://localhost:1883 --device door-7 --count 100 --json
    godwit watch --broker mqtts://broker.lan --ca ca.pem --cert operator.pem --key operator.key
    """
    from fleet import observed
    from fleet.watch import Wanted
    from fleet.watch import watch as follow

    address = broker_access.read(broker, "--broker", Files(ca, cert, key, password_file))
    if device is not None and not re.match(NAME_PATTERN, device):
        step = "type its device-id, or nothing for every device"
        raise InputError(Problem("--device", "the name of one device", repr(device), step))

    def show(report: observed.Report) -> None:
        if as_json:
            print(observed.as_json(report), flush=True)
        else:
            print(observed.as_text(report), flush=True)

    follow(Wanted(address, device or "+", count, timeout), show)
