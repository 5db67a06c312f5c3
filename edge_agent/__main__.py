"""`python -m edge_agent` is `edge-agent`."""

from edge_agent.cli import run

if __name__ == "__main__":
    raise SystemExit(run())
