"""`godwit flash` and `godwit watch`: parse, call one function, print."""

from __future__ import annotations

import re
import signal

import click

from firmware_profiles import broker_url
from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import NAME_PATTERN


@click.command()
@click.option("--broker", required=True, metavar="URL", help="mqtt://[user:password@]host[:port]")
@click.option("--device", metavar="NAME", help="Only this device; every one by default.")
@click.option("--count", type=click.IntRange(min=1), metavar="N", help="End after N predictions, repeats not counted.")
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), metavar="S", help="End after S seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document a line.")
def watch(broker: str, device: str | None, count: int | None, timeout: float | None, as_json: bool) -> None:
    """Follow what devices say over MQTT; gaps and repeats are marked.

    \b
    godwit watch --broker mqtt://localhost:1883
    godwit watch --broker mqtt://localhost:1883 --device door-7 --count 100 --json
    """
    from fleet import observed
    from fleet.watch import Wanted
    from fleet.watch import watch as follow

    address = broker_url.parse(broker, "--broker")
    if device is not None and not re.match(NAME_PATTERN, device):
        step = "type its device-id, or nothing for every device"
        raise InputError(Problem("--device", "the name of one device", repr(device), step))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` ends it as Ctrl-C does, with the summary

    def show(report: observed.Report) -> None:
        if as_json:
            print(observed.as_json(report), flush=True)
        else:
            print(observed.as_text(report), flush=True)

    follow(Wanted(address, device or "+", count, timeout), show)
