"""`godwit repo status`: who signs what, until when, and what devices get."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

import msgspec

from fleet.repository.adding import ours
from fleet.repository.places import Places
from fleet.repository.rooting import roles_of
from fleet.repository.settings import ROLES
from fleet.repository.state import State, utc_now


class RoleStatus(msgspec.Struct, frozen=True):
    """One role.

    Attributes:
        expires: in UTC.
        days_left: rounded up; 0 or less where it has expired.
        threshold: so many of `keys` must sign.
        keys: beginnings of their ids.
    """

    role: str
    version: int
    expires: datetime
    days_left: int
    threshold: int
    keys: list[str]


class KeyStatus(msgspec.Struct, frozen=True):
    """One key: its id's beginning, where its private part is said to be, and what it signs."""

    key: str
    uri: str
    roles: list[str]


class TargetStatus(msgspec.Struct, frozen=True):
    """What devices of one profile and group get."""

    target: str
    kind: str
    deployment: str
    version: str
    profile: str
    group: str
    size_bytes: int
    transports: dict[str, int]


class Status(msgspec.Struct, frozen=True):
    """All of it."""

    repository: str
    publish: str
    roles: list[RoleStatus]
    keys: list[KeyStatus]
    targets: list[TargetStatus]


def of(places: Places) -> Status:
    """The status of a repository.

    Raises:
        InputError, TrustError: as reading it does.
    """
    current = State(places)
    now = utc_now()
    roles = []
    for role in ROLES:
        signed = getattr(current, role)
        declared = current.root.roles[role]
        shown = [keyid[:8] for keyid in declared.keyids]
        left = math.ceil((signed.expires - now) / timedelta(days=1))
        roles.append(RoleStatus(role, signed.version, signed.expires, left, declared.threshold, shown))
    keys = [
        KeyStatus(keyid[:8], uri, list(signs))
        for keyid, uri in current.settings.keys.items()
        if (signs := roles_of(current.root, keyid))
    ]
    targets = [
        TargetStatus(
            target.path,
            custom.kind,
            custom.deployment,
            custom.version,
            custom.profile,
            custom.group,
            target.length,
            {
                f"{way.kind} from {way.from_sha256[:12]}" if way.from_sha256 else way.kind: way.size_bytes
                for way in custom.transports
            },
        )
        for target, custom in ours(current.targets)
    ]
    return Status(str(places.folder), str(places.public), roles, keys, targets)


def as_text(status: Status) -> str:
    """For people."""
    lines = [f"publish {status.publish}", "", "ROLE       VERSION  EXPIRES            SIGNED BY"]
    for role in status.roles:
        due = f"{role.expires:%Y-%m-%d} ({role.days_left} d)"
        if role.days_left <= 0:
            due = f"{role.expires:%Y-%m-%d} EXPIRED"
        signed_by = f"{role.threshold} of {len(role.keys)}: {', '.join(role.keys)}"
        lines.append(f"{role.role:<10} {role.version:>7}  {due:<18} {signed_by}")
    lines += ["", "KEY       SIGNS                PRIVATE KEY"]
    lines += [f"{key.key}  {', '.join(key.roles):<20} {key.uri}" for key in status.keys]
    lines += ["", "PROFILE              GROUP      TARGET"] * bool(status.targets)
    for target in status.targets:
        ways = ", ".join(f"{kind} {size_bytes}" for kind, size_bytes in target.transports.items())
        sizes = f"{target.size_bytes} bytes" + (f"; {ways}" if ways else "")
        lines.append(f"{target.profile:<20} {target.group:<10} {target.target} ({sizes})")
    return "\n".join(lines)
