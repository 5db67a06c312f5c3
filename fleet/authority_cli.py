"""`godwit ca`: parse, call one function, print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click
import msgspec

from firmware_profiles.errors import InputError, Problem
from fleet.authority import register
from fleet.passphrases import Passphrases
from godwit import usage

if TYPE_CHECKING:
    from fleet.authority.authority import Authority
    from fleet.authority.certificates import Signer
    from fleet.authority.renewing import Answered
    from fleet.observed import Connection

_PATH = click.Path(path_type=Path)
_CA = click.option(
    "--ca", "folder", type=_PATH, required=True, envvar="GODWIT_CA", metavar="DIR", help="Its folder; or GODWIT_CA."
)
_PASSPHRASE_FILE = click.option(
    "--passphrase-file", type=_PATH, metavar="F", help="Holds a passphrase; else it is asked for."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
_DAYS = click.IntRange(1, 3650)
_SOON_DAYS = 30


@click.group(cls=usage.Group)
def ca() -> None:
    """Say which device is which: certificates for MQTT under TLS, from an authority of your own.

    \b
    godwit ca init ~/ca
    export GODWIT_CA=~/ca
    godwit ca issue broker --host broker.lan --host 192.168.1.2
    ssh door-7 edge-agent identity request --root /var/lib/godwit | godwit ca sign - > door-7.pem
    godwit ca renew --broker mqtts://broker.lan --cert operator.pem --key operator.key --once
    godwit ca revoke door-7
    """


@ca.command()
@click.argument("folder", type=_PATH, metavar="DIR")
@click.option("--name", default="Godwit devices", show_default=True, metavar="TEXT", help="Shown in certificates.")
@click.option("--passphrase-file", type=_PATH, metavar="F", help="Holds a passphrase; else it is asked for.")
@click.option("--no-passphrase", is_flag=True, help="Leave the key unlocked: whoever reads it can be any device.")
@_JSON
def init(folder: Path, name: str, passphrase_file: Path | None, no_passphrase: bool, as_json: bool) -> None:
    """Make an authority in DIR. Its key never leaves this machine; keep a copy in a safe place."""
    from fleet.authority import authority

    if no_passphrase and passphrase_file:
        found = "--passphrase-file and --no-passphrase"
        raise InputError(Problem("godwit ca init", "one of the two", found, "leave one out"))
    secret = None if no_passphrase else Passphrases(_given(passphrase_file)).new().encode()
    made = authority.make(folder, name, secret)
    if as_json:
        _show_json({"folder": str(folder), "certificate": str(made.certificate), "locked": not no_passphrase})
    else:
        click.echo(f"made an authority in {folder}; give {made.certificate} to brokers and devices, and nothing else")


@ca.command()
@click.argument("request", type=click.File("rb"), metavar="CSR")
@_CA
@click.option("--device-id", metavar="ID", help="Refuse a request of another device.")
@click.option("--days", type=_DAYS, default=register.DAYS, show_default=True, help="How long it holds.")
@_PASSPHRASE_FILE
@_JSON
def sign(
    request: BinaryIO,
    folder: Path,
    device_id: str | None,
    days: int,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign a device's own request (- for standard input) and print the certificate.

    The request comes from `edge-agent identity request`; the device takes the certificate by
    `edge-agent identity accept`. A renewal is the same once more.
    """
    authority, signer = _unlocked(folder, passphrase_file)
    path = authority.sign(signer, request.read(16_385), device_id, days)
    if as_json:
        _show_json(_as_told(authority, path))
    else:
        click.echo(path.read_text(encoding="ascii"), nl=False)


@ca.command()
@click.argument("name", metavar="NAME")
@_CA
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Of a server: a name or address it is reached by.")
@click.option("--days", type=_DAYS, default=register.DAYS, show_default=True, help="How long it holds.")
@_PASSPHRASE_FILE
@_JSON
def issue(
    name: str, folder: Path, hosts: tuple[str, ...], days: int, passphrase_file: Path | None, as_json: bool
) -> None:
    """Make a key and its certificate here: for the broker (--host), or for an operator."""
    authority, signer = _unlocked(folder, passphrase_file)
    path = authority.issue(signer, name, hosts, days)
    if as_json:
        _show_json(_as_told(authority, path))
    else:
        click.echo(f"{path} and {path.with_suffix('.key')}")


@ca.command()
@_CA
@click.option("--broker", required=True, metavar="URL", help="mqtts://host[:port]")
@click.option("--cert", type=_PATH, metavar="PEM", help="Certificate to show to the broker: an operator's.")
@click.option("--key", type=_PATH, metavar="PEM", help="Its private key.")
@click.option("--password-file", type=_PATH, metavar="F", help="Holds one line, user:password, for the broker.")
@click.option("--once", is_flag=True, help="End when those that wait are answered.")
@_PASSPHRASE_FILE
@_JSON
def renew(
    folder: Path,
    broker: str,
    cert: Path | None,
    key: Path | None,
    password_file: Path | None,
    once: bool,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Sign the next certificate of each device that asks for it over MQTT, until Ctrl-C.

    A device asks in the last third of its certificate's time, and proves by that one that it is the device. Its
    request waits at the broker, so --once now and then is enough. One that was revoked is refused.
    """
    from firmware_profiles import broker_access
    from firmware_profiles.broker_access import Files
    from fleet.authority import renewing

    authority, signer = _unlocked(folder, passphrase_file)
    address = broker_access.read(broker, "--broker", Files(authority.certificate, cert, key, password_file))

    def tell(what: renewing.Answered | Connection) -> None:
        if as_json:
            _show_json(what)
        else:
            click.echo(_told(what), err=isinstance(what, Connection))

    renewing.renew(renewing.Renewer(authority, signer), address, once, tell)


@ca.command()
@click.argument("name", metavar="NAME")
@_CA
@_PASSPHRASE_FILE
@_JSON
def revoke(name: str, folder: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Take back every certificate of NAME, a device that was stolen or an operator who left.

    A broker refuses it once it has the new list: copy crl.pem to it and send it SIGHUP.
    """
    authority, signer = _unlocked(folder, passphrase_file)
    taken = authority.revoke(signer, name)
    if as_json:
        _show_json({"revoked": taken, "revocation_list": str(authority.revocation_list)})
    else:
        click.echo(f"took back {len(taken)} of {name}; give {authority.revocation_list} to the broker now")


@ca.command()
@_CA
@_JSON
def status(folder: Path, as_json: bool) -> None:
    """List what was signed, and what has to be renewed."""
    from fleet.authority import authority, certificates

    issued = authority.Authority(folder).register().issued
    if as_json:
        _show_json(issued)
        return
    now = certificates.now()
    width = max((len(each.name) for each in issued), default=0)
    for each in issued:
        left = each.days_left(now)
        state = "revoked" if each.revoked_at else "expired" if left < 0 else f"{left} days left"
        mark = "  renew it" if each.holds(now) and left < _SOON_DAYS else ""
        click.echo(f"{each.name.ljust(width)}  {each.kind:<6}  {state}{mark}")


def _unlocked(folder: Path, passphrase_file: Path | None) -> tuple[Authority, Signer]:
    from fleet.authority.authority import Authority

    authority = Authority(folder)
    authority.register()
    return authority, authority.unlock(Passphrases(_given(passphrase_file)))


def _given(file: Path | None) -> list[Path]:
    return [file] if file else []


def _as_told(authority: Authority, path: Path) -> dict[str, object]:
    newest = authority.register().issued[-1]
    return {"certificate": str(path)} | msgspec.structs.asdict(newest)


def _told(what: Answered | Connection) -> str:
    from fleet import observed

    if isinstance(what, observed.Connection):
        return observed.as_text(what)
    text = f"{what.device}: refused: {what.refused}" if what.refused else f"{what.device}: signed {what.certificate}"
    return "".join(letter if letter.isprintable() else "?" for letter in text)  # a stranger may have said it


def _show_json(document: object) -> None:
    sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
