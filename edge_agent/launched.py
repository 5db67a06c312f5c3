"""What the launcher told the agent that it started, and when the agent is to be started anew."""

from __future__ import annotations

import os
import sys

from edge_agent.layout import Root

SLOT = "GODWIT_AGENT_SLOT"
NAMED = "GODWIT_AGENT_NAMED"
LAUNCHER = "GODWIT_LAUNCHER"


def own_slot() -> str:
    """Where our code lies; empty where no launcher started it."""
    return os.environ.get(SLOT, "")


def is_replaced(root: Root) -> bool:
    """Whether `agent/active` names another slot than ours, and than the one that the launcher passed over."""
    named = root.active_agent_slot()
    return own_slot() != "" and named not in ("", own_slot(), os.environ.get(NAMED, ""))


def again(root: Root) -> None:
    """Become the launcher, which starts what is to be started now; this process, and who watches it, stay the same."""
    os.execv(sys.executable, [sys.executable, "-I", "-S", os.environ[LAUNCHER], str(root.folder)])  # noqa: S606  # it is ours
