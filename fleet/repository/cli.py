"""`godwit repo`: parse, call one function, print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
import msgspec

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.targets import DEFAULT_GROUP
from godwit import usage

if TYPE_CHECKING:
    from fleet.repository.settings import Role
    from fleet.repository.signers import Keyring
    from fleet.repository.state import State

_FILE = click.Path(path_type=Path)
_ROLES = ("root", "targets", "snapshot", "timestamp")
F = TypeVar("F", bound=Callable[..., Any])


def _per_role(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[Role, int]:
    """`ROLE=NUMBER`, once for each role."""
    found: dict[Role, int] = {}
    for value in values:
        role, _, number = value.partition("=")
        if role not in _ROLES or not number.isascii() or not number.isdigit() or not 1 <= int(number[:6]) <= 36_500:
            expected = f"one of {', '.join(_ROLES)}, then = and a number from 1 to 36500"
            raise InputError(Problem(param.opts[0], expected, repr(value), "as in timestamp=7"))
        found[cast("Role", role)] = int(number)
    return found


def _repo(command: F) -> F:
    return click.option(
        "--repo", "folder", type=_FILE, default=".", metavar="DIR", help="The repository (default: here)."
    )(command)


def _secrets(command: F) -> F:
    command = click.option(
        "--passphrase-file", multiple=True, type=_FILE, metavar="F", help="Holds a passphrase; else it is asked for."
    )(command)
    return click.option("--keys", multiple=True, type=_FILE, metavar="DIR", help="Where more private keys are.")(
        command
    )


def _dry(command: F) -> F:
    return click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing.")(command)


def _json(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


@click.group(cls=usage.Group)
def repo() -> None:
    """Keep a signed repository of bundles: static files that any web server, object store or stick can carry.

    \b
    godwit repo init updates
    godwit repo add digits-1.0.0-raspberry-pi-5.godwit --repo updates
    godwit repo kit /media/stick/kit --repo updates
    """


@repo.command()
@click.argument("folder", type=_FILE, metavar="DIR")
@click.option("--root-keys", type=_FILE, metavar="DIR", help="Where the root key goes, which is to be kept offline.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    callback=_per_role,
    metavar="ROLE=N",
    help="So many keys must sign (default: 1).",
)
@click.option(
    "--expires", multiple=True, callback=_per_role, metavar="ROLE=N", help="Days that a role's metadata is valid."
)
@click.option("--no-passphrase", is_flag=True, help="Leave the private keys unencrypted, mode 0600.")
@click.option(
    "--passphrase-file", multiple=True, type=_FILE, metavar="F", help="Holds a passphrase; else it is asked for."
)
@_json
def init(
    folder: Path,
    root_keys: Path | None,
    thresholds: dict[Role, int],
    expires: dict[Role, int],
    no_passphrase: bool,
    passphrase_file: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Make a repository, and its keys: ed25519, in files with a passphrase.

    \b
    godwit repo init updates --root-keys /media/safe/root-keys
    godwit repo init updates --threshold root=2 --expires timestamp=7
    """
    from fleet.repository import creating
    from fleet.repository.passphrases import Passphrases

    passphrase = None if no_passphrase else Passphrases(passphrase_file).new()
    wanted = creating.Wanted(folder, root_keys, passphrase, thresholds, expires)
    places = creating.create(wanted)
    of_root = str((root_keys or places.root_keys).resolve())
    made = {
        "repository": str(places.folder),
        "publish": str(places.public),
        "trust_root": str(places.metadata / "1.root.json"),
        "root_keys": of_root,
        "encrypted": passphrase is not None,
    }
    kept = "encrypted" if passphrase else "NOT encrypted"
    lines = [
        f"made {places.folder}; its private keys are {kept}",
        f"publish {places.public} as it is; devices start from {made['trust_root']}",
        f"carry {of_root} to a safe place that is offline, and copy it",
    ]
    click.echo(msgspec.json.encode(made) if as_json else "\n".join(lines))


@repo.command()
@click.argument("bundles", nargs=-1, required=True, type=_FILE, metavar="BUNDLE...")
@click.option("--to", "group", default=DEFAULT_GROUP, metavar="GROUP", help="Devices of this group (default: default).")
@_repo
@_secrets
@_dry
@_json
def add(
    bundles: tuple[Path, ...],
    group: str,
    folder: Path,
    keys: tuple[Path, ...],
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Sign bundles for devices of their profile, in place of what those had until now.

    \b
    godwit repo add dist/*.godwit
    godwit repo add digits-1.1.0-raspberry-pi-5.godwit --to canary
    """
    from fleet.repository import adding, places

    check_group(group)
    with places.locked(places.existing(folder)):
        current, keyring = _open(folder, keys, passphrase_file)
        planned = adding.plan(current, bundles, group)
        written = [] if dry_run else adding.add(current, keyring, planned)
    if as_json:
        click.echo(msgspec.json.encode({"targets": planned, "written": written}))
        return
    for each in planned:
        did = ("would sign" if dry_run else "signed") if each.changed else "signed already:"
        instead = f", in place of {each.replaces}" if each.replaces else ""
        click.echo(f"{did} {each.target} for {each.profile} in the group {each.group}{instead}")


@repo.command()
@click.argument("out", type=_FILE, metavar="OUT")
@click.option("--device", "profiles", multiple=True, metavar="PROFILE", help="Only what these devices need.")
@click.option("--group", metavar="GROUP", help="Only what is for this group.")
@click.option(
    "--expires", "days", type=click.IntRange(1, 36_500), metavar="DAYS", help="How long it is valid (default: 365)."
)
@_repo
@_secrets
@_dry
@_json
def kit(
    out: Path,
    profiles: tuple[str, ...],
    group: str | None,
    days: int | None,
    folder: Path,
    keys: tuple[Path, ...],
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a folder with metadata and targets for devices that no network reaches.

    \b
    godwit repo kit /media/stick/kit
    godwit repo kit kit --device raspberry-pi-5 --expires 90
    """
    from fleet.repository import kits, places

    with places.locked(places.existing(folder)):
        current, keyring = _open(folder, keys, passphrase_file)
        planned = kits.plan(current, profiles, group, days)
        if not dry_run:
            kits.write(current, keyring, planned, out)
    if as_json:
        click.echo(msgspec.json.encode(planned))
        return
    did = "would write" if dry_run else "wrote"
    click.echo(f"{did} {out}: {', '.join(planned.targets)} ({planned.size_bytes} bytes), valid for {planned.days} days")


def check_group(group: str) -> None:
    """Refuse what cannot be a group.

    Raises:
        InputError: it is not a name.
    """
    import re

    from firmware_profiles.words import NAME_PATTERN

    if not re.match(NAME_PATTERN, group):
        step = "use lower-case letters, digits, dots and dashes"
        raise InputError(Problem("--to", "a name of at most 64 characters", repr(group), step))


def _open(folder: Path, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...]) -> tuple[State, Keyring]:
    from fleet.repository import places
    from fleet.repository.passphrases import Passphrases
    from fleet.repository.signers import Keyring
    from fleet.repository.state import State

    current = State(places.existing(folder))
    folders = [current.places.keys, current.places.root_keys, *keys]
    return current, Keyring(current.settings.keys, folders, Passphrases(passphrase_files))
