"""What a transport is, and what it tells about the device at its other end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec

from firmware_profiles.errors import GodwitError, Problem, from_process
from firmware_profiles.identity import Identity

DEFAULT_ROOT = "/var/lib/godwit"
"""The device root of the service."""

Progress = Callable[[int, int], None]
"""Called with (bytes there, bytes in all)."""


class Facts(msgspec.Struct, frozen=True):
    """What `fleet/bootstrap/probe.py` found on a device.

    Attributes:
        arch: of the userland; `kernel` says what the kernel is.
        glibc, python: such as "2.36" and "3.11".
        init: what starts services there.
        board: model in the device tree; empty without one.
        free_bytes: where the device root is, or will be, and where files arrive; the smaller one.
        clock_s: its clock, in seconds since 1970.
        rights: how root's rights can be had: they are there, by sudo, by sudo with a password, or not.
        writable, readable: whether this user may write where the root is, or will be, and read what is installed.
        agent_sha256: of `agent.json` of the agent's code that is active there; empty without one.
        manifest_sha256: of the manifest of the active deployment; empty without one.
        installed: [name, version] of that deployment; empty without one.
        device: its name in its own configuration; empty without one.
        on_probation: name and version of what has yet to prove itself there; empty if nothing has.
        service: what systemd says of the agent; empty where there is no such service.
        identity: the certificate in use, where a receiver told of it.
        agent_version: of the agent's code, where a receiver told of it; empty where that is not in slots.
    """

    arch: str
    kernel: str
    glibc: str
    python: str
    init: Literal["systemd", "none"]
    board: str
    free_bytes: int
    clock_s: int
    rights: Literal["root", "sudo", "password", "none"]
    writable: bool
    readable: bool
    agent_sha256: str
    manifest_sha256: str
    installed: list[str]
    device: str
    service: str
    identity: Identity | None = None
    on_probation: str = ""
    agent_version: str = ""


class Finished(NamedTuple):
    """How a command on the device ended."""

    exit_code: int
    stdout: bytes
    stderr: str


def output(ran: Finished, where: str, expected: str) -> bytes:
    """What a command of Godwit's printed on the device.

    Raises:
        GodwitError: it did not end well: what it told, at `where`.
    """
    if ran.exit_code == 0:
        return ran.stdout
    if told := from_process(ran.exit_code, ran.stderr):
        raise type(told)(*(each._replace(where=f"{where}: {each.where}") for each in told.problems))
    last = (ran.stderr.strip().splitlines() or [f"exit status {ran.exit_code}"])[-1][:200]
    raise GodwitError(Problem(where, expected, last, "this is a bug in Godwit: please report it"))


class Road(Protocol):
    """A way to a device on which commands run.

    Attributes:
        where: the target as in errors.
        root: the device root there.
    """

    where: str
    root: str

    def open(self, owner: str) -> None:
        """Connect, and hold the device for `owner` until `close`.

        Raises:
            UnavailableError: it cannot be reached, has no Python, or somebody else holds it, who is named.
        """

    def close(self) -> None:
        """Disconnect; it never fails, and does nothing a second time."""

    def probe(self) -> Facts:
        """What the device is.

        Raises:
            UnavailableError: the road broke.
        """

    def put(self, folder: Path, progress: Progress) -> str:
        """Bring a folder there, without what came before an interruption; its path there.

        Raises:
            UnavailableError: the road broke, or the device could not take it.
        """

    def run(self, arguments: Sequence[str], as_root: bool) -> Finished:
        """Run a command there.

        Raises:
            UnavailableError: the road broke.
        """
