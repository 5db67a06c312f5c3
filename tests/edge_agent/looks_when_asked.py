"""`edge-agent` whose supervisor looks at what was changed from outside at its start and on SIGHUP, and never else."""

from __future__ import annotations

from edge_agent import supervisor
from edge_agent.cli import run

supervisor._STATUS_S = 3600.0

if __name__ == "__main__":
    raise SystemExit(run())
