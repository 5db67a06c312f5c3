"""What the commands of `godwit repo` share: options, and how a repository is opened."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from firmware_profiles.errors import InputError, Problem
from firmware_profiles.words import NAME_PATTERN

if TYPE_CHECKING:
    from fleet.repository.settings import Role
    from fleet.repository.signers import Keyring
    from fleet.repository.state import State

FILE = click.Path(path_type=Path)
ROLES = ("root", "targets", "snapshot", "timestamp")
_DAYS = re.compile(r"([a-z]+)=([1-9][0-9]{0,4})()\Z")
_KEYS = re.compile(r"([a-z]+)=([1-9])/([1-9])\Z")
F = TypeVar("F", bound=Callable[..., Any])


def days(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[Role, int]:
    """`ROLE=DAYS`, once for each role."""
    return {
        role: int(match[2])
        for role, match in _per_role(param, values, _DAYS, "a number from 1 to 36500, as in timestamp=7")
    }


def keys(_ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[Role, tuple[int, int]]:
    """`ROLE=N/M`, once for each role: N of M keys must sign."""
    found = _per_role(param, values, _KEYS, "how many of how many, up to 9, as in root=2/3")
    return {role: (int(match[2]), int(match[3])) for role, match in found}


def _per_role(
    param: click.Parameter, values: tuple[str, ...], pattern: re.Pattern[str], then: str
) -> Iterator[tuple[Role, re.Match[str]]]:
    for value in values:
        match = pattern.match(value)
        if match is None or match[1] not in ROLES or not 1 <= int(match[2]) <= int(match[3] or 36_500):
            expected = f"one of {', '.join(ROLES)}, then = and {then}"
            raise InputError(Problem(param.opts[0], expected, repr(value), "correct it"))
        yield cast("Role", match[1]), match


def at_repo(command: F) -> F:
    """Where the repository is."""
    return click.option(
        "--repo", "folder", type=FILE, default=".", metavar="DIR", help="The repository (default: here)."
    )(command)


def with_secrets(command: F) -> F:
    """Where private keys and passphrases are."""
    command = click.option(
        "--passphrase-file", multiple=True, type=FILE, metavar="F", help="Holds a passphrase; else it is asked for."
    )(command)
    return click.option("--keys", multiple=True, type=FILE, metavar="DIR", help="Where more private keys are.")(command)


def dry_run(command: F) -> F:
    """Only tell."""
    return click.option("--dry-run", is_flag=True, help="Check everything, print the plan, write nothing.")(command)


def as_json(command: F) -> F:
    """For programs."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(command)


def check_group(group: str) -> None:
    """Refuse what cannot be a group.

    Raises:
        InputError: it is not a name.
    """
    if not re.match(NAME_PATTERN, group):
        step = "use lower-case letters, digits, dots and dashes"
        raise InputError(Problem("--to", "a name of at most 64 characters", repr(group), step))


def check_agent(with_agent: bool, python: str | None, wheels: Path | None) -> None:
    """Refuse what only an agent has.

    Raises:
        InputError: there is to be none.
    """
    if (python or wheels) and not with_agent:
        given = "--python" if python else "--wheels"
        raise InputError(Problem(given, "--with-agent beside it", "none", "add --with-agent, or leave it out"))


def open_repo(folder: Path, keys: tuple[Path, ...], passphrase_files: tuple[Path, ...]) -> tuple[State, Keyring]:
    """The repository at `folder`, and the keys for it that can be reached."""
    from fleet.passphrases import Passphrases
    from fleet.repository import places
    from fleet.repository.signers import Keyring
    from fleet.repository.state import State

    current = State(places.existing(folder))
    folders = [current.places.keys, current.places.root_keys, *keys]
    return current, Keyring(current.settings.keys, folders, Passphrases(passphrase_files))
