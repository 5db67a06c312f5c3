"""`godwit repo`: parse, call one function, print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from firmware_profiles.targets import DEFAULT_GROUP
from fleet.repository import options
from fleet.repository.cli_keys import revoke, rotate_key, sign
from fleet.repository.cli_looking import serve, status
from godwit import usage

if TYPE_CHECKING:
    from fleet.repository.settings import Role


@click.group(cls=usage.Group)
def repo() -> None:
    """Keep a signed repository of bundles: static files that any web server, object store or stick can carry.

    \b
    godwit repo init updates
    godwit repo add digits-1.0.0-raspberry-pi-5.godwit --repo updates
    godwit repo kit /media/stick/kit --repo updates
    """


@repo.command()
@click.argument("folder", type=options.FILE, metavar="DIR")
@click.option(
    "--root-keys", type=options.FILE, metavar="DIR", help="Where the root key goes, which is to be kept offline."
)
@click.option(
    "--signed-by",
    multiple=True,
    callback=options.keys,
    metavar="ROLE=N/M",
    help="N of M keys must sign (default: 1/1).",
)
@click.option(
    "--expires", multiple=True, callback=options.days, metavar="ROLE=DAYS", help="How long a role's metadata is valid."
)
@click.option("--no-passphrase", is_flag=True, help="Leave the private keys unencrypted, mode 0600.")
@click.option(
    "--passphrase-file", multiple=True, type=options.FILE, metavar="F", help="Holds a passphrase; else it is asked for."
)
@options.dry_run
@options.as_json
def init(
    folder: Path,
    root_keys: Path | None,
    signed_by: dict[Role, tuple[int, int]],
    expires: dict[Role, int],
    no_passphrase: bool,
    passphrase_file: tuple[Path, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make a repository, and its keys: ed25519, in files with a passphrase.

    \b
    godwit repo init updates --root-keys /media/safe/root-keys
    godwit repo init updates --signed-by root=2/3 --expires timestamp=7
    """
    from fleet.passphrases import Passphrases
    from fleet.repository import creating

    places = creating.check(folder)
    passphrase = None if no_passphrase or dry_run else Passphrases(passphrase_file).new()
    if not dry_run:
        creating.create(creating.Wanted(folder, root_keys, passphrase, signed_by, expires))
    of_root = str((root_keys or places.root_keys).resolve())
    made = {
        "repository": str(places.folder),
        "publish": str(places.public),
        "trust_root": str(places.metadata / "1.root.json"),
        "root_keys": of_root,
        "encrypted": not no_passphrase,
    }
    kept = "NOT encrypted" if no_passphrase else "encrypted"
    did = "would make" if dry_run else "made"
    lines = [
        f"{did} {places.folder}; its private keys are {kept}",
        f"publish {places.public} as it is; devices start from {made['trust_root']}",
        f"carry {of_root} to a safe place that is offline, and copy it",
    ]
    click.echo(msgspec.json.encode(made) if as_json else "\n".join(lines))


@repo.command()
@click.argument("bundles", nargs=-1, required=True, type=options.FILE, metavar="BUNDLE...")
@click.option("--to", "group", default=DEFAULT_GROUP, metavar="GROUP", help="Devices of this group (default: default).")
@click.option("--device", "profiles", multiple=True, metavar="PROFILE", help="Whom an agent's code is for.")
@options.at_repo
@options.with_secrets
@options.dry_run
@options.as_json
def add(
    bundles: tuple[Path, ...],
    group: str,
    profiles: tuple[str, ...],
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
    godwit repo add godwit-agent-0.2.0-cp311-aarch64.godwit-agent --device raspberry-pi-5
    """
    from fleet.repository import adding, places

    options.check_group(group)
    with places.locked(places.existing(folder)):
        current, keyring = options.open_repo(folder, keys, passphrase_file)
        planned = adding.plan(current, bundles, group, profiles)
        written = [] if dry_run else adding.add(current, keyring, planned, lambda said: click.echo(said, err=True))
    if as_json:
        click.echo(msgspec.json.encode({"targets": planned, "written": written}))
        return
    for each in planned:
        did = ("would sign" if dry_run else "signed") if each.changed else "signed already:"
        instead = f", in place of {each.replaces}" if each.replaces else ""
        click.echo(f"{did} {each.target} for {each.profile} in the group {each.group}{instead}")


@repo.command()
@click.argument("out", type=options.FILE, metavar="OUT")
@click.option("--device", "profiles", multiple=True, metavar="PROFILE", help="Only what these devices need.")
@click.option("--group", metavar="GROUP", help="Only what is for this group.")
@click.option(
    "--expires", "days", type=click.IntRange(1, 36_500), metavar="DAYS", help="How long it is valid (default: 365)."
)
@click.option("--with-agent", is_flag=True, help="Bring the agent, too: bare devices are flashed from it.")
@click.option("--python", metavar="V", help="With it: the devices' Python, such as 3.13; their profiles' by default.")
@click.option("--wheels", type=options.FILE, metavar="DIR", help="With it: vendors' wheels, as in godwit kit.")
@options.at_repo
@options.with_secrets
@options.dry_run
@options.as_json
def kit(
    out: Path,
    profiles: tuple[str, ...],
    group: str | None,
    days: int | None,
    with_agent: bool,
    python: str | None,
    wheels: Path | None,
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
    godwit repo kit kit --device raspberry-pi-5 --with-agent --python 3.13
    """
    from fleet.repository import kit_agents, kits, lists, places, state

    options.check_agent(with_agent, python, wheels)
    current, keyring = options.open_repo(folder, keys, passphrase_file)
    planned = kits.plan(current, profiles, group, days)
    users = kit_agents.users(current, planned, python) if with_agent else {}
    if not dry_run:
        # Before the repository is held: it may take minutes.
        agents = kit_agents.gathered(users, wheels, lambda said: click.echo(said, err=True))
        with places.locked(places.existing(folder)):
            current = state.State(current.places)
            planned = kits.plan(current, profiles, group, days)
            lists.add(current, keyring, kit_agents.lists(users, agents))
            kits.write(current, keyring, planned, out, {of.folder: wheels for of, wheels in agents.items()})
    if as_json:
        of_agents = [of.folder for of in users]
        click.echo(msgspec.json.encode({**msgspec.structs.asdict(planned), "agents": of_agents}))
        return
    did = "would write" if dry_run else "wrote"
    also = "".join(f", the agent for Python {of.python} on {of.arch}" for of in users)
    what = f"{', '.join(planned.targets)} ({planned.size_bytes} bytes){also}"
    click.echo(f"{did} {out}: {what}, valid for {planned.days} days")


for command in (sign, rotate_key, revoke, serve, status):
    repo.add_command(command)
