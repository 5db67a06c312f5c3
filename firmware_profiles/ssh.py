"""How devices are reached by the system's `ssh`: hosts as typed, options, and what it tells when it cannot.

Whatever works at the prompt works here (docs/adr/0006): the user's configuration, agent, keys, jump hosts and
known hosts. It takes no unknown host.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from firmware_profiles.errors import InputError, Problem, UnavailableError

EXPECTED = "ssh://user@host[:port]"
CONNECT_S = 10
LOST = 255
"""ssh's own exit code where the connection broke, or was never made."""

_OPTIONS = (
    "StrictHostKeyChecking=yes",
    f"ConnectTimeout={CONNECT_S}",
    "ConnectionAttempts=2",
    "ServerAliveInterval=5",
    "ServerAliveCountMax=3",
    "ClearAllForwardings=yes",
    "ControlPersist=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "LogLevel=ERROR",
    "NumberOfPasswordPrompts=1",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
)
# Also what keeps a host from being read as an option of ssh.
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_ADDRESS_6 = re.compile(r"^[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\Z")


class Host(NamedTuple):
    """A device and how to reach it.

    Attributes:
        host: name, address, or what ~/.ssh/config calls it.
        user: empty for the one that ssh takes.
        port: None for the one that ssh takes.
    """

    host: str
    user: str = ""
    port: int | None = None

    @property
    def destination(self) -> list[str]:
        """As arguments of ssh."""
        port = ["-p", str(self.port)] if self.port else []
        return [*port, f"{self.user}@{self.host}" if self.user else self.host]


def parse(text: str, where: str, keys: Collection[str], hint: str) -> tuple[Host, dict[str, str]]:
    """The host that `text`, given as `where`, names, and the values of its query.

    Args:
        keys: what may stand in the query.
        hint: what to do about another query.

    Raises:
        InputError: it is not such a URL, or holds a password, which is not repeated.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise InputError(Problem(where, EXPECTED, str(error), "correct the URL")) from None
    if parts.password is not None:
        step = "log in by a key: ssh-copy-id brings it there"
        raise InputError(Problem(where, f"{EXPECTED} without a password", "one with a password", step))
    host, user = parts.hostname or "", parts.username or ""
    if parts.scheme != "ssh" or parts.path not in ("", "/") or not _is_host(host) or not _is_user(user):
        raise InputError(Problem(where, EXPECTED, repr(text), "as in ssh://pi@raspberrypi.local"))
    query = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if not query.keys() <= set(keys) or parts.fragment or any(_is_odd(value) for value in query.values()):
        allowed = " and ".join(f"?{key}=" for key in keys)
        raise InputError(Problem(where, f"{EXPECTED}, then at most {allowed}", repr(text), hint))
    return Host(host, user, port), query


def options(*more: str) -> list[str]:
    """As arguments of ssh."""
    return [part for option in (*_OPTIONS, *more) for part in ("-o", option)]


def shell(script: str) -> str:
    """The script as a command line of whatever shell the user has there."""
    return f"exec sh -c {shlex.quote(script)}"


def refused(host: Host, told: str) -> UnavailableError:
    """The error for what `ssh` wrote on stderr."""
    where, prompt = f"ssh://{host.host}", " ".join(["ssh", *host.destination])
    if "HOST IDENTIFICATION HAS CHANGED" in told:
        step = "find out why: another machine may pose as it; if the device was set up anew, ssh-keygen -R its name"
        problem = Problem(where, "the host key in known_hosts", "another key", step)
    elif "Host key verification failed" in told:
        step = f"connect once by hand and compare its fingerprint: {prompt}"
        problem = Problem(where, "a host key in known_hosts", "a host that is not in it", step)
    elif "Permission denied" in told:
        step = f"bring your key there: {prompt.replace('ssh', 'ssh-copy-id', 1)}; a key with a passphrase: ssh-add"
        problem = Problem(where, "a login by a key, of an agent or a file", last(told), step)
    else:
        problem = Problem(where, "an SSH connection", last(told), f"check that it is on; try: {prompt}")
    return UnavailableError(problem)


def last(told: str) -> str:
    """The last line of what a program told."""
    return (told.strip().splitlines() or ["no answer"])[-1].strip()[:200]


def _is_host(text: str) -> bool:
    return bool(_NAME.match(text) or _ADDRESS_6.match(text))


def _is_user(text: str) -> bool:
    return not text or bool(_NAME.match(text))


def _is_odd(value: str) -> bool:
    return not value or value.startswith("-")
