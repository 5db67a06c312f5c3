"""What signed targets say of themselves: the `custom` of a TUF target, and the description of a kit.

A target is one bundle (or one agent bundle, or the list of an agent's files), and its hash decides what is right.
A transport is only a cheaper way to the same bytes: nothing that comes by one is used before it has become the target
itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from firmware_profiles.words import Architecture, Name, Version

KIT_FILE = "kit.json"
RESET_FILE = "reset.json"
NOTE_KEY = "x-godwit"
DEFAULT_GROUP = "default"
MAX_TRANSPORTS = 16

Kind = Literal["deployment", "agent"]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
Size = Annotated[int, Meta(ge=1, le=(1 << 32) - 1)]
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,254}"
RepositoryPath = Annotated[str, Meta(pattern=rf"^targets/{_PART}(/{_PART}){{0,3}}\Z", max_length=512)]
"""Relative to the repository or kit: no `..`, no folder that begins with a dot."""

TargetName = Annotated[str, Meta(pattern=rf"^{_PART}(/{_PART}){{0,3}}\Z", max_length=400)]


class Transport(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cheaper way to the target's bytes.

    Attributes:
        kind: "xz": the target, compressed; "bsdiff4": a patch that makes the target out of another bundle.
        path: where it lies in the repository, as `targets/…`.
        size_bytes, sha256: of the transport's own file.
        from_sha256: of the bundle that the patch is applied to; only for "bsdiff4".
    """

    kind: Literal["xz", "bsdiff4"]
    path: RepositoryPath
    size_bytes: Size
    sha256: Sha256
    from_sha256: Sha256 | None = None


class Custom(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `custom` of a target.

    Attributes:
        kind: a deployment's bundle, or the agent's own code.
        deployment: its name; of an agent "agent".
        group: a device takes only what is for the group in its configuration.
        python, arch: of an agent's code, as "cp311" and "aarch64"; empty for deployments.
    """

    kind: Kind
    deployment: Name
    group: Name
    profile: Name
    version: Version
    python: Annotated[str, Meta(pattern=r"^(cp3[0-9]{1,2})?\Z")] = ""
    arch: Architecture | Literal[""] = ""
    transports: Annotated[list[Transport], Meta(max_length=MAX_TRANSPORTS)] = []


class AgentList(msgspec.Struct, frozen=True):
    """The `custom` of a target that is `agent.json`: the list, with hashes, of all files of an agent that flash brings.

    Its signature covers the wheels that those files come from. It has no `kind`: nobody takes it for an update, and an
    agent that knows no such lists passes it over.

    Attributes:
        profile: of the devices that it was gathered for.
        version, python, arch: of the agent, as in `agent.json`.
    """

    lists: Literal["agent"]
    profile: Name
    version: Version
    python: Annotated[str, Meta(pattern=r"^cp3[0-9]{1,2}\Z")]
    arch: Architecture


class Offer(msgspec.Struct, frozen=True):
    """What a verified repository has for one device.

    Attributes:
        name: of the target.
        path: where the whole target lies in the repository.
        size_bytes, sha256: of the target, whichever way it comes.
    """

    name: TargetName
    kind: Kind
    deployment: Name
    version: Version
    path: RepositoryPath
    size_bytes: Size
    sha256: Sha256
    transports: list[Transport]


class Kit(msgspec.Struct, frozen=True):
    """`kit.json`, for people and for messages: it is not signed, and nothing is decided by it.

    Attributes:
        made, expires: in UTC, as 2026-11-26T12:00:00Z; `expires` is the first of its metadata to expire.
        profiles, groups: whose targets it carries.
    """

    format: Literal[1]
    made: str
    expires: str
    profiles: list[Name]
    groups: list[Name]


class Note(msgspec.Struct, frozen=True, omit_defaults=True):
    """What Godwit writes into signed metadata beside what TUF defines, under `NOTE_KEY`.

    Attributes:
        signed_at: when it was signed, by the signer's clock; a device without one learns the time from it.
        kit: of a timestamp: it was made to live long, in a kit, and is not taken from a network.
        reset: of a root: the time that a device must take for now, whatever it believed before.
    """

    signed_at: datetime | None = None
    kit: bool = False
    reset: datetime | None = None


def target_name(group: str, file_name: str) -> str:
    """The name of a target: its group, then the bundle's file name."""
    return f"{group}/{file_name}"


def target_path(name: str, sha256: str) -> str:
    """Where a target lies, with consistent snapshots (TUF 1.0.34, section 6.2): its hash before its file name."""
    folder, _, file_name = name.rpartition("/")
    return "/".join(filter(None, ("targets", folder, f"{sha256}.{file_name}")))


def read_custom(custom: Any) -> Custom | None:
    """The custom of one target; None for a target that is not one of ours.

    Raises:
        ValueError: it is one of ours, and not what it must be.
    """
    if not isinstance(custom, dict) or "kind" not in custom:
        return None
    return msgspec.convert(custom, Custom)


def read_list(custom: Any) -> AgentList | None:
    """The custom of a target that is an agent's list; None for any other.

    Raises:
        ValueError: it is one, and not what it must be.
    """
    if not isinstance(custom, dict) or custom.get("lists") != "agent":
        return None
    return msgspec.convert(custom, AgentList)


def read_note(unrecognized: Mapping[str, Any]) -> Note:
    """The note among a signed object's further fields; an empty one where there is none that can be read."""
    try:
        note = msgspec.convert(unrecognized.get(NOTE_KEY, {}), Note)
    except msgspec.ValidationError:
        return Note()
    # A time without a zone cannot be compared with one that has it.
    zoned = all(time is None or time.tzinfo is not None for time in (note.signed_at, note.reset))
    return note if zoned else Note()


def write_note(note: Note) -> dict[str, Any]:
    """The further fields of a signed object that carry `note`."""
    return {NOTE_KEY: msgspec.to_builtins(note)}
