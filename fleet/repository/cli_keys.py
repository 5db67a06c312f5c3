"""`godwit repo sign`, `rotate-key` and `revoke`: parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from firmware_profiles.errors import InputError, Problem
from fleet.repository import options

if TYPE_CHECKING:
    from fleet.repository.rooting import NewKey
    from fleet.repository.settings import Role
    from fleet.repository.state import State


@click.command()
@click.option(
    "--role", "roles", multiple=True, type=click.Choice(options.ROLES), help="Default: snapshot and timestamp."
)
@click.option("--expires", multiple=True, callback=options.days, metavar="ROLE=DAYS", help="How long, from now on.")
@click.option(
    "--reset", is_flag=True, help="Devices take this moment for now; a way back for those that lost the chain."
)
@options.at_repo
@options.with_secrets
@options.dry_run
@options.as_json
def sign(
    roles: tuple[Role, ...],
    expires: dict[Role, int],
    reset: bool,
    folder: Path,
    keys: tuple[Path, ...],
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Sign metadata again before it expires; its content stays.

    \b
    godwit repo sign                                    every week, by a timer
    godwit repo sign --role root --role targets --keys /media/safe/root-keys
    godwit repo sign --expires timestamp=30
    """
    from fleet.repository import places, renewing

    wanted: set[Role] = {*roles, *expires} or {"snapshot", "timestamp"}
    with places.locked(places.existing(folder)):
        current, keyring = options.open_repo(folder, keys, passphrase_file)
        if not dry_run:
            renewing.declare(current, expires)
            written = renewing.renew(current, keyring, wanted, reset=reset)
    if dry_run:
        order = [role for role in options.ROLES if role in wanted or (reset and role == "root")]
        click.echo(msgspec.json.encode({"roles": order}) if as_json else f"would sign {', '.join(order)}")
        return
    _tell(written, as_json)


@click.command("rotate-key")
@click.argument("which", metavar="ROLE|KEY")
@click.option("--key", "uri", metavar="URI", help="Of the new private key in a token or key service, as in hsm:…")
@click.option("--public-key", type=options.FILE, metavar="PEM", help="The public part of --key.")
@click.option("--root-keys", type=options.FILE, metavar="DIR", help="Where a new root key goes.")
@click.option("--no-passphrase", is_flag=True, help="Leave the new private key unencrypted, mode 0600.")
@options.at_repo
@options.with_secrets
@options.dry_run
@options.as_json
def rotate_key(
    which: str,
    uri: str | None,
    public_key: Path | None,
    root_keys: Path | None,
    no_passphrase: bool,
    folder: Path,
    keys: tuple[Path, ...],
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Put a new key in the place of an old one, in every role that it signs.

    The root keys must be at hand.

    \b
    godwit repo rotate-key timestamp --keys /media/safe/root-keys
    godwit repo rotate-key 1a2b3c4d --key 'hsm:2?label=YubiKey' --public-key yubikey.pem
    """
    from fleet.repository import places, rooting

    if (uri is None) != (public_key is None):
        step = "name both, or none to have a key made"
        raise InputError(Problem("--key", "--key and --public-key together", "one of them", step))
    more = (root_keys,) if root_keys else ()
    with places.locked(places.existing(folder)):
        current, keyring = options.open_repo(folder, (*keys, *more), passphrase_file)
        old = _old_keys(current, which)
        if dry_run:
            _tell_plan("would put a new key in the place of", current, old, as_json)
            return
        keyring.signers(current.root, "root")  # before a key is made that nothing would come of
        new = [
            _given(uri, public_key)
            if uri and public_key
            else _made(current, keyid, root_keys, no_passphrase, passphrase_file)
            for keyid in old
        ]
        uris = {each.key.keyid: each.uri for each in new}
        written = rooting.publish(current, keyring, rooting.replacing(old, new), uris)
    _tell(written, as_json)


@click.command()
@click.argument("which", metavar="KEY")
@options.at_repo
@options.with_secrets
@options.dry_run
@options.as_json
def revoke(
    which: str,
    folder: Path,
    keys: tuple[Path, ...],
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Take a key out of every role, without another in its place.

    The root keys must be at hand.

    \b
    godwit repo revoke 1a2b3c4d --keys /media/safe/root-keys
    """
    from fleet.repository import places, rooting

    with places.locked(places.existing(folder)):
        current, keyring = options.open_repo(folder, keys, passphrase_file)
        keyid = rooting.find_key(current.root, which)
        if dry_run:
            _tell_plan("would revoke", current, [keyid], as_json)
            return
        written = rooting.publish(current, keyring, rooting.removing(keyid), {})
    _tell(written, as_json)


def _old_keys(current: State, which: str) -> list[str]:
    from fleet.repository import rooting

    if which in options.ROLES:
        return list(current.root.roles[which].keyids)
    return [rooting.find_key(current.root, which)]


def _given(uri: str, public_key: Path) -> NewKey:
    from fleet.repository import rooting

    return rooting.NewKey(rooting.public_key(public_key), uri)


def _made(
    current: State, old: str, root_keys: Path | None, no_passphrase: bool, passphrase_files: tuple[Path, ...]
) -> NewKey:
    from fleet.passphrases import Passphrases
    from fleet.repository import rooting, signers

    roles = rooting.roles_of(current.root, old)
    of_root = "root" in roles
    folder = (root_keys or current.places.root_keys) if of_root else current.places.keys
    name = roles[0] if len(roles) == 1 else "online"
    passphrase = None if no_passphrase else Passphrases(passphrase_files).new()
    uri, signer = signers.generate(folder, name, passphrase)
    return rooting.NewKey(signer.public_key, uri)


def _tell_plan(would: str, current: State, keyids: list[str], as_json: bool) -> None:
    from fleet.repository import rooting

    planned = [{"key": keyid[:8], "roles": rooting.roles_of(current.root, keyid)} for keyid in keyids]
    lines = [f"{would} {each['key']} of {', '.join(each['roles'])}" for each in planned]
    click.echo(msgspec.json.encode(planned) if as_json else "\n".join(lines))


def _tell(written: list[str], as_json: bool) -> None:
    click.echo(msgspec.json.encode({"written": written}) if as_json else f"signed {', '.join(written)}")
