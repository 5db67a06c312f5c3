"""Watches the agent while a new version is on probation. What the agent writes is read as what a stranger wrote."""

from __future__ import annotations

import os
import stat
import time
from typing import NamedTuple

import msgspec

from edge_agent import clock
from edge_agent.layout import Root
from edge_agent.ota import holding
from edge_agent.ota.proof import Probation, Verdict, judge
from firmware_profiles.health import Health

LOOK_S = 1.0
SILENT_S = 120.0
_ABSENT_S = 20.0
_MAX_BYTES = 1 << 16


class Seen(NamedTuple):
    """The agent's word, and when it was written."""

    health: Health | None
    written_ns: int


def look(root: Root) -> Seen:
    """What `run/health.json` says: no link, no pipe, no more than 64 KiB is read."""
    try:
        handle = os.open(root.health, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return Seen(None, 0)
    try:
        about = os.fstat(handle)
        if not stat.S_ISREG(about.st_mode):
            return Seen(None, 0)
        return Seen(msgspec.json.decode(os.read(handle, _MAX_BYTES), type=Health), about.st_mtime_ns)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return Seen(None, 0)
    finally:
        os.close(handle)


def watch(root: Root, probation: Probation) -> Verdict | None:
    """Wait for the verdict; None where no agent runs, so that there is nobody to judge, or a person waits to do it.

    An agent that ran since this boot and then is silent for two minutes was taken down, by the new version for all
    we know.
    """
    last, heard_s = look(root), time.monotonic()
    ran = last.health is not None and last.health.boot == probation.boot
    while True:
        if verdict := judge(probation, last.health, clock.uptime_ms()):
            return verdict
        time.sleep(LOOK_S)
        seen = look(root)
        if seen.written_ns != last.written_ns:
            ran, heard_s = True, time.monotonic()
        last = seen
        silent_s = time.monotonic() - heard_s
        if ran and silent_s > SILENT_S:
            return Verdict("unhealthy", f"the agent is silent for {SILENT_S:g} s")
        if (not ran and silent_s > _ABSENT_S) or holding.is_awaited(root):
            return None
