"""The device that figures come from, as typed: `ssh://user@host[:port][?agent=/path/to/edge-agent]`."""

from __future__ import annotations

from typing import NamedTuple

from firmware_profiles import ssh

_AGENT = "edge-agent"
_HINT = "name the command on the device: ?agent=/opt/godwit/bin/edge-agent"


class DeviceUrl(NamedTuple):
    """A device and how to reach it.

    Attributes:
        at: where it is.
        agent: the command there; by default found in the PATH that ssh gives it.
    """

    at: ssh.Host
    agent: str = _AGENT


def parse(text: str, where: str) -> DeviceUrl:
    """The device that `text`, given as `where`, names.

    Raises:
        InputError: it is not such a URL, or holds a password, which is not repeated.
    """
    host, query = ssh.parse(text, where, ["agent"], _HINT)
    return DeviceUrl(host, **query)
