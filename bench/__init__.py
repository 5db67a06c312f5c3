"""What the agent costs, beside its limit and a peer, measured side by side in one run: `make bench`."""
