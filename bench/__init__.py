"""The agent and the converter beside limits and peers, measured side by side in one run: `make bench`."""
