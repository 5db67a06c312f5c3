"""`python -m tests.edge_agent.wrong_clock TIME TRUSTED …`: `edge-agent …` on a device whose clock shows TIME.

TIME is as "2099-01-01"; TRUSTED is "trusted" where the kernel says that the clock is synchronised, else "untrusted".
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone

from edge_agent import clock
from edge_agent.cli import run

if __name__ == "__main__":
    time, trusted = sys.argv[1:3]
    off_s = datetime.fromisoformat(time).replace(tzinfo=timezone.utc).timestamp() - clock.now_s()
    now_s = clock.now_s
    clock.now_s = lambda: now_s() + off_s
    clock.is_synchronised = lambda: trusted == "trusted"
    del sys.argv[1:3]
    raise SystemExit(run())
