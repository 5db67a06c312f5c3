"""What a running agent says about itself in `run/status.json`."""

from __future__ import annotations

from typing import Literal

import msgspec

from firmware_profiles.wire import RuntimeInUse


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """`edge-agent status --json`.

    Attributes:
        state: starting (the model is being proved), running, refused (see `problem`), stopped.
        worker_pid: 0 while there is none.
        predictions, rejected: since the agent started; rejected inputs have no prediction.
        spool_messages: waiting to be acknowledged.
        dropped: by class, since the spool was made.
        sources: name → "running", "ended", or what is wrong.
        listens: where HTTP listens; empty where it does not.
        rate_factor: what is left of the sources' rate in the heat; 1 is all of it.
    """

    state: Literal["starting", "running", "refused", "stopped"]
    problem: str
    device: str
    deployment: str
    version: str
    profile: str
    supervisor_pid: int
    worker_pid: int
    broker: str
    connected: bool
    predictions: int
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    spool_messages: int
    spool_bytes: int
    dropped: dict[str, int]
    models: dict[str, RuntimeInUse]
    sources: dict[str, str]
    listens: str = ""
    rate_factor: float = 1.0
    rejected: int = 0
