"""The device that figures come from, as typed: `ssh://user@host[:port][?agent=/path/to/edge-agent]`."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

from firmware_profiles.errors import InputError, Problem

EXPECTED = "ssh://user@host[:port]"
_AGENT = "edge-agent"
# Also what keeps a host from being read as an option of ssh.
_NAME = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.-]*\Z")
_ADDRESS_6 = re.compile(r"^[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?\Z")


class DeviceUrl(NamedTuple):
    """A device and how to reach it.

    Attributes:
        host: name, address, or what ~/.ssh/config calls it.
        user: empty for the one that ssh takes.
        port: None for the one that ssh takes.
        agent: the command there; by default found in the PATH that ssh gives it.
    """

    host: str
    user: str = ""
    port: int | None = None
    agent: str = _AGENT

    @property
    def destination(self) -> list[str]:
        """As arguments of ssh."""
        port = ["-p", str(self.port)] if self.port else []
        return [*port, f"{self.user}@{self.host}" if self.user else self.host]


def parse(text: str, where: str) -> DeviceUrl:
    """The device that `text`, given as `where`, names.

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
    query = parse_qs(parts.query, keep_blank_values=True)
    agent = query.pop("agent", [_AGENT])[-1]
    if parts.scheme != "ssh" or parts.path not in ("", "/") or not _is_host(host) or not _is_user(user):
        raise InputError(Problem(where, EXPECTED, repr(text), f"as in {where} ssh://pi@raspberrypi.local"))
    if query or parts.fragment or not agent or agent.startswith("-"):
        step = "name the command on the device: ?agent=/opt/godwit/bin/edge-agent"
        raise InputError(Problem(where, f"{EXPECTED}, then at most ?agent=", repr(text), step))
    return DeviceUrl(host, user, port, agent)


def _is_host(text: str) -> bool:
    return bool(_NAME.match(text) or _ADDRESS_6.match(text))


def _is_user(text: str) -> bool:
    return not text or bool(_NAME.match(text))
