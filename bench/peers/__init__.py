"""Peers' tools on the same models, each in a process of its own: what they crash on is told, not hidden."""
